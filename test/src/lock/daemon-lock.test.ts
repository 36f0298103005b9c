// A daemon whose vault is locked and unlocked while programs use it, from the host's report to the vault on the disk and
// back, with answers that an independent platform verifies.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { UserGate } from '../../../ctap/env.ts';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { ErrorCode, KeepaliveStatus } from '../../../hid/wire.ts';
import { approveAlways, ScriptedGate } from '../../../src/consent/automatic.ts';
import { ControlClient } from '../../../src/control/client.ts';
import { type Daemon, startDaemon } from '../../../src/daemon.ts';
import type { LockSettings } from '../../../src/lock/key-lock.ts';
import { LockableVault } from '../../../src/lock/lockable-vault.ts';
import { keepPublicState } from '../../../src/lock/public-state.ts';
import { createLog } from '../../../src/log.ts';
import { createVault, openVault } from '../../../store/vault.ts';
import { clientDataHash, map, rpId, user } from '../../support/key.ts';
import * as platform from '../../support/platform.ts';

const passphrase = 'correct horse battery staple';
const Status = { OK: 0x00, OPERATION_DENIED: 0x27, KEEPALIVE_CANCEL: 0x2d, USER_ACTION_TIMEOUT: 0x2f } as const;

const registration = platform.request(
  0x01,
  new Map<number, platform.Value>([
    [1, clientDataHash],
    [2, map({ id: rpId })],
    [3, user('alice')],
    [4, [map({ alg: -7, type: 'public-key' })]],
    [7, map({ rk: true })],
  ]),
);
const signIn = platform.request(
  0x02,
  new Map<number, platform.Value>([
    [1, rpId],
    [2, clientDataHash],
  ]),
);
/** What the daemon says when a request waits for a person. */
const told = 'warn: a program needs the vault, which is locked: `passfob unlock` opens it';
const getInfo = platform.request(0x04);

let folder: string;
let directory: string;
let daemon: Daemon | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-lock-'));
  directory = join(folder, 'vault');
  const vault = await createVault(directory, { passphrase }, { scryptLogN: 4 });
  keepPublicState(vault);
  await vault.close();
});
afterEach(async () => {
  await daemon?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Something that a test waits for or brings about. */
function gateway() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((pass) => {
    resolve = pass;
  });
  return { promise, resolve };
}

interface Options extends Partial<LockSettings> {
  readonly gate?: UserGate;
  readonly startsOpen?: boolean;
  readonly transports?: LoopbackTransport[];
}

async function run({
  gate = approveAlways,
  startsOpen = false,
  transports = [new LoopbackTransport()],
  ...lock
}: Options = {}) {
  const log: string[] = [];
  const vault = new LockableVault(directory, startsOpen ? await openVault(directory, { passphrase }) : undefined);
  daemon = await startDaemon({
    vault,
    lock: { open: (unlock) => openVault(directory, unlock), ...lock },
    transports,
    gate,
    consent: 'always',
    log: createLog('debug', (line) => log.push(line)),
    controlSocket: join(folder, 'control.sock'),
    onTransportError: (_, error) => expect.fail(error.message),
  });
  const connect = (which = 0) =>
    CtapHidClient.connect((transports[which] ?? expect.fail('no such transport')).connect());
  return { daemon, vault, log, connect, control: new ControlClient(join(folder, 'control.sock')) };
}

/** Sends a request; `waits` resolves when the host hears that a person is needed. */
function ask(host: CtapHidClient, request: Uint8Array, signal?: AbortSignal) {
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

const verifyRegistration = (response: platform.Response) => platform.verifyRegistration(response, rpId, clientDataHash);

function verifySignIn(response: platform.Response, { credentialId, publicKey }: platform.Registration) {
  return platform.verifyAssertion(response, rpId, clientDataHash, (id) =>
    Buffer.compare(id, credentialId) === 0 ? publicKey : undefined,
  );
}

describe('a daemon that starts locked', () => {
  test('keeps the first request waiting for the person, and carries it out once the vault is unlocked', async () => {
    const { connect, control, daemon } = await run();
    expect(daemon.status()).toMatchObject({ locked: true, credentials: null });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    expect(await control.unlock({ passphrase })).toBe(true);
    verifyRegistration(await answer);
    expect(daemon.status()).toMatchObject({ locked: false, credentials: 1 });
  });

  test('tells in its log how to unlock it', async () => {
    const { connect, log, control } = await run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    expect(log).toContain(told);
    await control.unlock({ passphrase });
    await answer;
  });

  test('answers getInfo without asking anybody, as the vault was left', async () => {
    const vault = new LockableVault(directory, await openVault(directory, { passphrase }));
    await vault.update((tx) => tx.setDevice({ minPINLength: 8 }));
    await vault.close();
    const { connect } = await run();
    const { status, members } = platform.parseResponse(await (await connect()).cbor(getInfo));
    expect(status).toBe(Status.OK);
    expect(members.get(0x0d)).toBe(8);
  });

  test('goes on waiting after a wrong passphrase', async () => {
    const { connect, control } = await run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await expect(control.unlock({ passphrase: 'wrong' })).rejects.toMatchObject({ exitCode: 3 });
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
  });

  test('lets the host take the request back', async () => {
    const { connect, daemon } = await run();
    const cancel = new AbortController();
    const { waits, answer } = ask(await connect(), registration, cancel.signal);
    await waits;
    cancel.abort();
    expect((await answer).status).toBe(Status.KEEPALIVE_CANCEL);
    expect(daemon.status().locked).toBe(true);
  });

  test('forgets the request of a program that went away', async () => {
    const { connect, control } = await run();
    const gone = await connect();
    const { waits, answer } = ask(gone, registration);
    answer.catch(() => undefined);
    await waits;
    await gone.close();
    const { answer: next } = ask(await connect(), getInfo);
    expect((await next).status).toBe(Status.OK);
    await control.unlock({ passphrase });
    expect((await control.list()).credentials).toEqual([]);
  });

  test('is busy for a second transport while one waits', async () => {
    const { connect, control } = await run({ transports: [new LoopbackTransport(), new LoopbackTransport()] });
    const { waits, answer } = ask(await connect(0), registration);
    await waits;
    const other = await connect(1);
    await expect(other.cbor(signIn)).rejects.toMatchObject({ code: ErrorCode.CHANNEL_BUSY });
    await control.unlock({ passphrase });
    const registered = verifyRegistration(await answer);
    verifySignIn(await ask(other, signIn).answer, registered);
  });

  test('is unlocked once, however many ask for it at once', async () => {
    let opened = 0;
    const { control, daemon } = await run({
      open: (unlock) => {
        opened++;
        return openVault(directory, unlock);
      },
    });
    await Promise.all([control.unlock({ passphrase }), control.unlock({ passphrase })]);
    expect(opened).toBe(1);
    expect(daemon.status().locked).toBe(false);
  });

  test('refuses the operations of the command line with the way to unlock it', async () => {
    const { control } = await run();
    await expect(control.list()).rejects.toMatchObject({
      message: 'the vault is locked',
      hint: 'open it with `passfob unlock`',
      exitCode: 3,
    });
  });

  test('opens by itself for the first request that needs the vault, where it can', async () => {
    const { connect, log } = await run({ openByItself: () => openVault(directory, { passphrase }) });
    expect((await ask(await connect(), getInfo).answer).status).toBe(Status.OK);
    expect(log).not.toContain('info: unlocked');
    verifyRegistration(await ask(await connect(), registration).answer);
  });

  test('asks the person if what should open it by itself fails', async () => {
    const { connect, control, log } = await run({ openByItself: () => openVault(directory, { passphrase: 'old' }) });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
    expect(log.filter((line) => line.startsWith('warn: the vault does not open by itself'))).toHaveLength(1);
  });
});

describe('a terminal of the daemon', () => {
  test('is asked again after a wrong passphrase, with the reason', async () => {
    const reasons: string[] = [];
    const { connect } = await run({
      async askPerson(reason) {
        reasons.push(reason);
        return { passphrase: reasons.length < 3 ? 'wrong' : passphrase };
      },
    });
    verifyRegistration(await ask(await connect(), registration).answer);
    expect(reasons).toEqual([
      'A program needs the vault, which is locked',
      'the passphrase does not open the vault',
      'the passphrase does not open the vault',
    ]);
  });

  test('can decline', async () => {
    const { connect, daemon } = await run({ askPerson: async () => undefined });
    expect((await ask(await connect(), registration).answer).status).toBe(Status.OPERATION_DENIED);
    expect(daemon.status().locked).toBe(true);
  });

  test('is no longer asked once the vault was unlocked elsewhere', async () => {
    let shown: AbortSignal | undefined;
    const { connect, control } = await run({
      askPerson: (_, signal) => {
        shown = signal as AbortSignal;
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined)));
      },
    });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    expect(shown?.aborted).toBe(false);
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
    expect(shown?.aborted).toBe(true);
  });
});

describe('a lock', () => {
  test('closes the vault and wipes what was opened of it; unlocked, it is the same key', async () => {
    const { connect, control, vault } = await run({ startsOpen: true });
    const host = await connect();
    const registered = verifyRegistration(await ask(host, registration).answer);
    const { credentialIdKey } = vault.device;
    const [credential = expect.fail('no credential')] = vault.credentialsOf(platform.sha256(rpId));
    const { privateKey, credRandom } = credential;
    const secrets = [credentialIdKey, privateKey, credRandom.withUV, credRandom.withoutUV];
    expect(secrets.every((secret) => secret.some((byte) => byte !== 0))).toBe(true);

    await control.lock();
    expect(secrets.every((secret) => secret.every((byte) => byte === 0))).toBe(true);
    expect(() => vault.device).toThrow('the vault is locked');

    const { waits, answer } = ask(host, signIn);
    await waits;
    await control.unlock({ passphrase });
    const { data } = verifySignIn(await answer, registered);
    expect(data.signCount).toBeGreaterThan(0);
  });

  test('withdraws an open question as if nobody had answered', async () => {
    const gate = new ScriptedGate();
    const { connect, control, daemon } = await run({ startsOpen: true, gate });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await control.lock();
    expect((await answer).status).toBe(Status.USER_ACTION_TIMEOUT);
    expect(daemon.status().locked).toBe(true);
  });

  test('leaves a request alone that waits for the vault', async () => {
    const { connect, control } = await run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await control.lock();
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
  });

  test('that comes with the unlock ends the question that follows it, too', async () => {
    const { connect, control, daemon } = await run({ gate: new ScriptedGate() });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await Promise.all([control.unlock({ passphrase }), control.lock()]);
    if (!daemon.status().locked) await control.lock();
    expect((await answer).status).toBe(Status.USER_ACTION_TIMEOUT);
    expect(daemon.status().locked).toBe(true);
  });

  test('by hand holds until somebody unlocks, also where the vault would open by itself', async () => {
    const { connect, control, daemon, log } = await run({
      startsOpen: true,
      openByItself: () => openVault(directory, { passphrase }),
    });
    await control.lock();
    const { answer } = ask(await connect(), registration);
    await vi.waitFor(() => expect(log).toContain(told));
    expect(daemon.status().locked).toBe(true);
    expect(await control.unlock()).toBe(true);
    verifyRegistration(await answer);
  });

  test('cannot be had of a daemon that keeps its vault open', async () => {
    const kept = await startDaemon({
      vault: await openVault(directory, { passphrase }),
      transports: [],
      gate: approveAlways,
      consent: 'always',
      log: createLog('silent', () => undefined),
      controlSocket: join(folder, 'kept.sock'),
      onTransportError: () => undefined,
    });
    const control = new ControlClient(join(folder, 'kept.sock'));
    await expect(control.lock()).rejects.toThrow('keeps its vault open');
    expect((await control.status())?.locked).toBe(false);
    await kept.stop();
  });
});

describe('while it is locked', () => {
  test('a replug ends the request that waits, and is a new device all the same', async () => {
    const { connect, control, daemon } = await run();
    const { waits, answer } = ask(await connect(), registration);
    const ended = expect(answer).rejects.toThrow('closed');
    await waits;
    await daemon.replug();
    await ended;
    const again = ask(await connect(), registration);
    await again.waits;
    await control.unlock({ passphrase });
    verifyRegistration(await again.answer);
  });

  test('a stop ends the request that waits, and nothing opens the vault afterwards', async () => {
    const [opening, opened] = [gateway(), gateway()];
    const { connect, control, daemon, vault } = await run({
      async open(unlock) {
        opening.resolve();
        await opened.promise;
        return openVault(directory, unlock);
      },
    });
    const { waits, answer } = ask(await connect(), registration);
    const ended = expect(answer).rejects.toThrow('closed');
    await waits;
    const unlocking = control.unlock({ passphrase }).catch(() => undefined);
    await opening.promise;
    const stopped = daemon.stop();
    opened.resolve();
    await Promise.all([stopped, ended, unlocking]);
    expect(vault.isLocked).toBe(true);
  });

  test('the vault can be deleted: that is said, and the request goes on waiting', async () => {
    const { connect, control } = await run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    rmSync(directory, { recursive: true });
    await expect(control.unlock({ passphrase })).rejects.toThrow('there is no vault');
    await (await createVault(directory, { passphrase }, { scryptLogN: 4 })).close();
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
  });

  test('the vault can be given a new root key', async () => {
    const { connect, control } = await run({ startsOpen: true });
    const host = await connect();
    const registered = verifyRegistration(await ask(host, registration).answer);
    await control.lock();
    const elsewhere = await openVault(directory, { passphrase });
    await elsewhere.rekey();
    await elsewhere.close();
    await control.unlock({ passphrase });
    verifySignIn(await ask(host, signIn).answer, registered);
  });
});

describe('a daemon whose way in another process has removed', () => {
  async function rekeyElsewhere() {
    const other = 'another passphrase';
    const elsewhere = await openVault(directory, { passphrase });
    await elsewhere.addSlot({ passphrase: other }, { scryptLogN: 4 });
    const first = elsewhere.openedWith;
    await elsewhere.close();
    const heir = await openVault(directory, { passphrase: other });
    heir.removeSlot(first);
    await heir.rekey();
    await heir.close();
    return { passphrase: other };
  }

  test('says of itself what it still knows, and can be locked and unlocked anew', async () => {
    const { connect, control } = await run({ startsOpen: true });
    const host = await connect();
    const registered = verifyRegistration(await ask(host, registration).answer);
    const unlock = await rekeyElsewhere();
    expect(await control.status()).toMatchObject({ locked: false, credentials: null });
    await expect(control.list()).rejects.toMatchObject({ hint: 'lock the vault and unlock it again', exitCode: 3 });
    await control.lock();
    expect(await control.status()).toMatchObject({ locked: true, credentials: null });
    expect(await control.unlock(unlock)).toBe(true);
    expect(await control.status()).toMatchObject({ locked: false, credentials: 1 });
    verifySignIn(await ask(host, signIn).answer, registered);
  });

  test('ends in order', async () => {
    const { daemon, log } = await run({ startsOpen: true });
    await rekeyElsewhere();
    await daemon.stop();
    expect(log.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
