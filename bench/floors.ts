// What no key could do without: a signature, a key pair, a durable write, a passphrase; each with the bare system call.

import { createECDH, generateKeyPairSync, randomBytes, scrypt, sign } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Figure, measure } from './measure.ts';

export interface Floors {
  readonly signature: Figure;
  readonly keyPair: Figure;
  readonly durableWrite: Figure;
}

/** `directory`: on the disk that the vault is on. */
export async function measureFloors(count: number, directory: string): Promise<Floors> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = randomBytes(69);
  const page = randomBytes(4096);
  const file = openSync(join(directory, 'floor'), 'w');
  const curve = createECDH('prime256v1');
  try {
    return {
      signature: await measure(count, () => sign('sha256', message, privateKey)),
      keyPair: await measure(count, () => curve.generateKeys()),
      durableWrite: await measure(count, () => {
        writeSync(file, page);
        fdatasyncSync(file);
      }),
    };
  } finally {
    closeSync(file);
  }
}

/** Milliseconds that unlocking must take by design: scrypt, N = 2^17. */
export async function measureScrypt(): Promise<number> {
  const before = performance.now();
  await promisify<string, string, number, object, Buffer>(scrypt)('passphrase', 'salt', 32, {
    N: 2 ** 17,
    r: 8,
    p: 1,
    maxmem: 256 * 1024 * 1024,
  });
  return performance.now() - before;
}
