// A FIFO stands for the device: a file that the kernel can poll, and that gives back what is written to it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openDeviceStream } from '../../../hid/transports/device-stream.ts';
import { inbox, report } from './contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'passfob-stream-'));
const device = join(folder, 'device');
execFileSync('mkfifo', [device]);
afterAll(() => rmSync(folder, { recursive: true }));

const openFiles = () => readdirSync('/proc/self/fd').length;

it('reads what comes, when it comes', async () => {
  const stream = openDeviceStream(device);
  const chunks = inbox<Uint8Array>();
  stream.on('data', chunks.put);
  for (let i = 0; i < 3; i++) {
    stream.write(report(i));
    expect(Uint8Array.from(await chunks.next())).toEqual(report(i));
  }
  stream.destroy();
});

it('waits for a device that takes no more, and goes on when it does', async () => {
  const stream = openDeviceStream(device);
  let isWritten = false;
  const written = new Promise<void>((resolve) => {
    stream.write(new Uint8Array(100_000), () => {
      isWritten = true;
      resolve();
    });
  });
  await new Promise(setImmediate);
  expect(isWritten).toBe(false);
  stream.resume();
  await written;
  stream.destroy();
});

it('closes the file at once, whatever is under way', async () => {
  const before = openFiles();
  const stream = openDeviceStream(device);
  stream.on('data', () => undefined);
  stream.pause();
  stream.write(new Uint8Array(100_000));
  stream.destroy();
  expect(openFiles()).toBe(before);
});

it('refuses a plain file, which cannot be polled', () => {
  const plain = join(folder, 'plain');
  writeFileSync(plain, '');
  const before = openFiles();
  expect(() => openDeviceStream(plain)).toThrow(`expected a device at ${plain}, got a plain file`);
  expect(openFiles()).toBe(before);
});

it('says what the system says of a file that is not there', () => {
  expect(() => openDeviceStream(join(folder, 'nothing'))).toThrow(/ENOENT/);
});
