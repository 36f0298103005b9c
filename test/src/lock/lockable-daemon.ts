// A daemon on a vault of its own that can be locked and unlocked, and the requests of a host to it, with answers that an
// independent platform verifies.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { UserGate } from '../../../ctap/env.ts';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { KeepaliveStatus } from '../../../hid/wire.ts';
import { approveAlways } from '../../../src/consent/automatic.ts';
import { ControlClient } from '../../../src/control/client.ts';
import { type Daemon, startDaemon } from '../../../src/daemon.ts';
import type { LockSettings } from '../../../src/lock/key-lock.ts';
import { LockableVault } from '../../../src/lock/lockable-vault.ts';
import { keepPublicState } from '../../../src/lock/public-state.ts';
import { createLog } from '../../../src/log.ts';
import { createVault, openVault } from '../../../store/vault.ts';
import { clientDataHash, map, rpId, user } from '../../support/key.ts';
import * as platform from '../../support/platform.ts';

export const passphrase = 'correct horse battery staple';
export const Status = { OK: 0x00, OPERATION_DENIED: 0x27, KEEPALIVE_CANCEL: 0x2d, USER_ACTION_TIMEOUT: 0x2f } as const;

export const registration = platform.request(
  0x01,
  new Map<number, platform.Value>([
    [1, clientDataHash],
    [2, map({ id: rpId })],
    [3, user('alice')],
    [4, [map({ alg: -7, type: 'public-key' })]],
    [7, map({ rk: true })],
  ]),
);
export const signIn = platform.request(
  0x02,
  new Map<number, platform.Value>([
    [1, rpId],
    [2, clientDataHash],
  ]),
);
/** What the daemon says when a request waits for a person. */
export const told = 'warn: a program needs the vault, which is locked: `passfob unlock` opens it';

interface Options extends Partial<LockSettings> {
  readonly gate?: UserGate;
  readonly startsOpen?: boolean;
  readonly transports?: LoopbackTransport[];
}

/** A folder with a vault, and the daemon that runs on it. */
export class DaemonFolder {
  readonly folder = mkdtempSync(join(tmpdir(), 'passfob-lock-'));
  readonly directory = join(this.folder, 'vault');
  #daemon: Daemon | undefined;

  static async create(): Promise<DaemonFolder> {
    const home = new DaemonFolder();
    const vault = await createVault(home.directory, { passphrase }, { scryptLogN: 4 });
    keepPublicState(vault);
    await vault.close();
    return home;
  }

  async run({
    gate = approveAlways,
    startsOpen = false,
    transports = [new LoopbackTransport()],
    ...lock
  }: Options = {}) {
    const log: string[] = [];
    const vault = new LockableVault(
      this.directory,
      startsOpen ? await openVault(this.directory, { passphrase }) : undefined,
    );
    const daemon = await startDaemon({
      vault,
      lock: { open: (unlock) => openVault(this.directory, unlock), ...lock },
      transports,
      gate,
      consent: 'always',
      log: createLog('debug', (line) => log.push(line)),
      controlSocket: join(this.folder, 'control.sock'),
      onTransportError: (_, error) => expect.fail(error.message),
    });
    const connect = (which = 0) =>
      CtapHidClient.connect((transports[which] ?? expect.fail('no such transport')).connect());
    this.#daemon = daemon;
    return { daemon, vault, log, connect, control: new ControlClient(join(this.folder, 'control.sock')) };
  }

  async remove(): Promise<void> {
    await this.#daemon?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Sends a request; `waits` resolves when the host hears that a person is needed. */
export function ask(host: CtapHidClient, request: Uint8Array, signal?: AbortSignal) {
  let needed: () => void = () => undefined;
  const waits = new Promise<void>((resolve) => {
    needed = resolve;
  });
  const answer = host
    .cbor(request, {
      onKeepalive: (status) => status === KeepaliveStatus.UPNEEDED && needed(),
      ...(signal && { signal }),
    })
    .then(platform.parseResponse);
  return { waits, answer };
}

export const verifyRegistration = (response: platform.Response) =>
  platform.verifyRegistration(response, rpId, clientDataHash);

export function verifySignIn(response: platform.Response, { credentialId, publicKey }: platform.Registration) {
  return platform.verifyAssertion(response, rpId, clientDataHash, (id) =>
    Buffer.compare(id, credentialId) === 0 ? publicKey : undefined,
  );
}
