// A daemon whose vault is unlocked while programs wait for it, from the host's report to the vault on the disk and back:
// over the control socket, by itself, or at its terminal.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { ErrorCode } from '../../../hid/wire.ts';
import { LockableVault } from '../../../src/lock/lockable-vault.ts';
import { openVault } from '../../../store/vault.ts';
import * as platform from '../../support/platform.ts';
import {
  ask,
  DaemonFolder,
  passphrase,
  registration,
  Status,
  signIn,
  told,
  verifyRegistration,
  verifySignIn,
} from './lockable-daemon.ts';

const getInfo = platform.request(0x04);

let home: DaemonFolder;
beforeEach(async () => {
  home = await DaemonFolder.create();
});
afterEach(() => home.remove());

describe('a daemon that starts locked', () => {
  test('keeps the first request waiting for the person, and carries it out once the vault is unlocked', async () => {
    const { connect, control, daemon } = await home.run();
    expect(daemon.status()).toMatchObject({ locked: true, credentials: null });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    expect(await control.unlock({ passphrase })).toBe(true);
    verifyRegistration(await answer);
    expect(daemon.status()).toMatchObject({ locked: false, credentials: 1 });
  });

  test('tells in its log how to unlock it', async () => {
    const { connect, log, control } = await home.run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    expect(log).toContain(told);
    await control.unlock({ passphrase });
    await answer;
  });

  test('answers getInfo without asking anybody, as the vault was left', async () => {
    const vault = new LockableVault(home.directory, await openVault(home.directory, { passphrase }));
    await vault.update((tx) => tx.setDevice({ minPINLength: 8 }));
    await vault.close();
    const { connect } = await home.run();
    const { status, members } = platform.parseResponse(await (await connect()).cbor(getInfo));
    expect(status).toBe(Status.OK);
    expect(members.get(0x0d)).toBe(8);
  });

  test('goes on waiting after a wrong passphrase', async () => {
    const { connect, control } = await home.run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await expect(control.unlock({ passphrase: 'wrong' })).rejects.toMatchObject({ exitCode: 3 });
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
  });

  test('lets the host take the request back', async () => {
    const { connect, daemon } = await home.run();
    const cancel = new AbortController();
    const { waits, answer } = ask(await connect(), registration, cancel.signal);
    await waits;
    cancel.abort();
    expect((await answer).status).toBe(Status.KEEPALIVE_CANCEL);
    expect(daemon.status().locked).toBe(true);
  });

  test('forgets the request of a program that went away', async () => {
    const { connect, control } = await home.run();
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
    const { connect, control } = await home.run({ transports: [new LoopbackTransport(), new LoopbackTransport()] });
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
    const { control, daemon } = await home.run({
      open: (unlock) => {
        opened++;
        return openVault(home.directory, unlock);
      },
    });
    await Promise.all([control.unlock({ passphrase }), control.unlock({ passphrase })]);
    expect(opened).toBe(1);
    expect(daemon.status().locked).toBe(false);
  });

  test('refuses the operations of the command line with the way to unlock it', async () => {
    const { control } = await home.run();
    await expect(control.list()).rejects.toMatchObject({
      message: 'the vault is locked',
      hint: 'open it with `passfob unlock`',
      exitCode: 3,
    });
  });

  test('opens by itself for the first request that needs the vault, where it can', async () => {
    const { connect, log } = await home.run({ openByItself: () => openVault(home.directory, { passphrase }) });
    expect((await ask(await connect(), getInfo).answer).status).toBe(Status.OK);
    expect(log).not.toContain('info: unlocked');
    verifyRegistration(await ask(await connect(), registration).answer);
  });

  test('asks the person if what should open it by itself fails', async () => {
    const { connect, control, log } = await home.run({
      openByItself: () => openVault(home.directory, { passphrase: 'old' }),
    });
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
    const { connect } = await home.run({
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
    const { connect, daemon } = await home.run({ askPerson: async () => undefined });
    expect((await ask(await connect(), registration).answer).status).toBe(Status.OPERATION_DENIED);
    expect(daemon.status().locked).toBe(true);
  });

  test('is no longer asked once the vault was unlocked elsewhere', async () => {
    let shown: AbortSignal | undefined;
    const { connect, control } = await home.run({
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
