// Real clients on a key whose vault is locked: they wait for the person, and programs that give up leave nothing behind.

import { afterEach, beforeAll, expect, test } from 'vitest';
import { endOf, type RunningCommand, start, success } from './command.ts';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import {
  credentialRequest,
  type MadeCredential,
  makeCredential,
  startAssertion,
  verifyAssertion,
  verifyCredential,
} from './libfido2.ts';
import { makeVault, type Vault } from './vault.ts';

let vault: Vault;
let credential: MadeCredential;
let daemon: Daemon | undefined;

beforeAll(async () => {
  vault = await makeVault();
  daemon = await startDaemon({ vault });
  credential = await makeCredential((await daemon.node()).path, 'example.com', 'ada', '-r');
  await daemon.stop();
});
afterEach(() => daemon?.stop());

async function run(options: DaemonOptions = {}): Promise<Daemon> {
  daemon = await startDaemon({ vault, ...options });
  return daemon;
}

/** As `passfob unlock` does, which takes long to start here. */
async function unlock(key: Daemon): Promise<void> {
  expect(await key.control.unlock({ keyFile: vault.env['PASSFOB_KEY_FILE'] ?? '' })).toBe(true);
}

/** Resolves when the daemon needs the vault for this program. @throws Error if the program ends instead. */
async function waitsForVault(assertion: RunningCommand, key: Daemon): Promise<void> {
  const ended = assertion.finished.then((finished) => Promise.reject(endOf(assertion, finished)));
  await Promise.race([key.printed(/a program needs the vault, which is locked/), ended]);
}

test('fido2-assert waits on a locked key until `passfob unlock`, and gets what verifies', async () => {
  const key = await run({ options: ['--locked'] });
  expect(await key.control.status()).toMatchObject({ locked: true });
  const assertion = startAssertion((await key.node()).path, 'example.com', undefined);
  await waitsForVault(assertion, key);
  expect(assertion.process.exitCode).toBeNull();

  await key.passfob('unlock');
  await verifyAssertion(await success(assertion), await verifyCredential(credential, vault.folder));
});

test('a key that was locked while it ran is the same key once it is unlocked', async () => {
  const key = await run();
  const { path } = await key.node();
  await key.control.lock();
  const assertion = startAssertion(path, 'example.com', credential.id);
  await waitsForVault(assertion, key);
  await unlock(key);
  await verifyAssertion(await success(assertion), await verifyCredential(credential, vault.folder));
});

test('a program that is killed while it waits for the vault leaves nothing behind', async () => {
  const key = await run({ options: ['--locked'] });
  const { path } = await key.node();
  const killed = startAssertion(path, 'example.com', undefined);
  await waitsForVault(killed, key);
  killed.process.kill('SIGKILL');
  await killed.finished;

  const next = startAssertion(path, 'example.com', undefined);
  await waitsForVault(next, key);
  await unlock(key);
  await verifyAssertion(await success(next), await verifyCredential(credential, vault.folder));
});

test('a touch that a killed program waited for is asked for no longer, without a replug', async () => {
  const key = await run({ consent: 'scripted' });
  const { path } = await key.node();
  const killed = start('fido2-cred', ['-M', '-r', path], { input: credentialRequest('left.example', 'nobody') });
  await key.printed(/waiting for a touch: register/);
  killed.process.kill('SIGKILL');
  await key.printed(/register with left\.example.*: cancelled/);
  await key.control.setConsent('always');
  await makeCredential(path, 'right.example', 'ada', '-r');
  const rpIds = (await key.control.list()).credentials.map(({ rpId }) => rpId);
  expect(rpIds).toContain('right.example');
  expect(rpIds).not.toContain('left.example');
});
