// A daemon whose vault is locked while programs use it: what a lock ends and wipes, and what happens to the daemon and the
// vault meanwhile.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { approveAlways, ScriptedGate } from '../../../src/consent/automatic.ts';
import { ControlClient } from '../../../src/control/client.ts';
import { startDaemon } from '../../../src/daemon.ts';
import { createLog } from '../../../src/log.ts';
import { createVault, openVault } from '../../../store/vault.ts';
import { rpId } from '../../support/key.ts';
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

let home: DaemonFolder;
beforeEach(async () => {
  home = await DaemonFolder.create();
});
afterEach(() => home.remove());

/** Something that a test waits for or brings about. */
function gateway() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((pass) => {
    resolve = pass;
  });
  return { promise, resolve };
}

describe('a lock', () => {
  test('closes the vault and wipes what was opened of it; unlocked, it is the same key', async () => {
    const { connect, control, vault } = await home.run({ startsOpen: true });
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
    const { connect, control, daemon } = await home.run({ startsOpen: true, gate });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await control.lock();
    expect((await answer).status).toBe(Status.USER_ACTION_TIMEOUT);
    expect(daemon.status().locked).toBe(true);
  });

  test('leaves a request alone that waits for the vault', async () => {
    const { connect, control } = await home.run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await control.lock();
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
  });

  test('that comes with the unlock ends the question that follows it, too', async () => {
    const { connect, control, daemon } = await home.run({ gate: new ScriptedGate() });
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    await Promise.all([control.unlock({ passphrase }), control.lock()]);
    if (!daemon.status().locked) await control.lock();
    expect((await answer).status).toBe(Status.USER_ACTION_TIMEOUT);
    expect(daemon.status().locked).toBe(true);
  });

  test('by hand holds until somebody unlocks, also where the vault would open by itself', async () => {
    const { connect, control, daemon, log } = await home.run({
      startsOpen: true,
      openByItself: () => openVault(home.directory, { passphrase }),
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
      vault: await openVault(home.directory, { passphrase }),
      transports: [],
      gate: approveAlways,
      consent: 'always',
      log: createLog('silent', () => undefined),
      controlSocket: join(home.folder, 'kept.sock'),
      onTransportError: () => undefined,
    });
    const control = new ControlClient(join(home.folder, 'kept.sock'));
    await expect(control.lock()).rejects.toThrow('keeps its vault open');
    expect((await control.status())?.locked).toBe(false);
    await kept.stop();
  });
});

describe('while it is locked', () => {
  test('a replug ends the request that waits, and is a new device all the same', async () => {
    const { connect, control, daemon } = await home.run();
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
    const { connect, control, daemon, vault } = await home.run({
      async open(unlock) {
        opening.resolve();
        await opened.promise;
        return openVault(home.directory, unlock);
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
    const { connect, control } = await home.run();
    const { waits, answer } = ask(await connect(), registration);
    await waits;
    rmSync(home.directory, { recursive: true });
    await expect(control.unlock({ passphrase })).rejects.toThrow('there is no vault');
    await (await createVault(home.directory, { passphrase }, { scryptLogN: 4 })).close();
    await control.unlock({ passphrase });
    verifyRegistration(await answer);
  });

  test('the vault can be given a new root key', async () => {
    const { connect, control } = await home.run({ startsOpen: true });
    const host = await connect();
    const registered = verifyRegistration(await ask(host, registration).answer);
    await control.lock();
    const elsewhere = await openVault(home.directory, { passphrase });
    await elsewhere.rekey();
    await elsewhere.close();
    await control.unlock({ passphrase });
    verifySignIn(await ask(host, signIn).answer, registered);
  });
});

describe('a daemon whose way in another process has removed', () => {
  async function rekeyElsewhere() {
    const other = 'another passphrase';
    const elsewhere = await openVault(home.directory, { passphrase });
    await elsewhere.addSlot({ passphrase: other }, { scryptLogN: 4 });
    const first = elsewhere.openedWith;
    await elsewhere.close();
    const heir = await openVault(home.directory, { passphrase: other });
    heir.removeSlot(first);
    await heir.rekey();
    await heir.close();
    return { passphrase: other };
  }

  test('says of itself what it still knows, and can be locked and unlocked anew', async () => {
    const { connect, control } = await home.run({ startsOpen: true });
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
    const { daemon, log } = await home.run({ startsOpen: true });
    await rekeyElsewhere();
    await daemon.stop();
    expect(log.filter((line) => line.startsWith('error'))).toEqual([]);
  });
});
