// The key as a device: how it comes and goes, and how several programs share it. One vault sees it all.

import { afterEach, beforeAll, expect, test } from 'vitest';
import { CtapHidClient } from '../../hid/host/ctaphid-client.ts';
import { openDevice } from '../../hid/host/open-device.ts';
import { ErrorCode } from '../../hid/wire.ts';
import { start, succeed } from './command.ts';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import { untilUnplugged } from './hidraw.ts';
import { credentialRequest, makeCredential, startAssertion, verifyAssertion, verifyCredential } from './libfido2.ts';
import { makeVault, type Vault } from './vault.ts';

let vault: Vault;
let daemon: Daemon | undefined;

beforeAll(async () => {
  vault = await makeVault();
});
// What a test has not ended is ended here, so that the next one's key is alone.
afterEach(() => daemon?.stop());

async function run(options: DaemonOptions = {}): Promise<Daemon> {
  daemon = await startDaemon({ vault, ...options });
  return daemon;
}

// Other signals do the same: test/src/process-end.test.ts.
test('ends in order on SIGTERM and takes the device along', async () => {
  const key = await run();
  const node = await key.node();
  expect(await key.end('SIGTERM')).toEqual([0, null]);
  await untilUnplugged(node);
});

test('takes the device along when it crashes', async () => {
  const crash = "process.on('SIGUSR2', () => { throw new Error('a crash, for a test'); });";
  const key = await run({ env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(crash)}` } });
  const node = await key.node();
  const [code] = await key.end('SIGUSR2');
  expect(code).toBeGreaterThan(0);
  await untilUnplugged(node);
});

test('takes the device along when it is killed, and has lost nothing when it is back', async () => {
  const key = await run();
  const node = await key.node();
  const credential = await makeCredential(node.path, 'example.com', 'ada', '-r');
  expect(await key.end('SIGKILL')).toEqual([null, 'SIGKILL']);
  await untilUnplugged(node);

  const next = await run();
  const { path } = await next.node();
  const { stdout } = await startAssertion(path, 'example.com', undefined).finished;
  await verifyAssertion(stdout, await verifyCredential(credential, vault.folder));
  const { credentials } = await next.control.list();
  expect(credentials).toMatchObject([{ rpId: 'example.com', userName: 'ada' }]);
});

test('is another device with the same credentials after a replug', async () => {
  const key = await run();
  const before = await key.node();
  const credential = await makeCredential(before.path, 'replugged.example', 'grace', '-r');
  await key.control.replug();
  const after = await key.node();
  expect(after.device).not.toBe(before.device);
  const { stdout } = await startAssertion(after.path, 'replugged.example', undefined).finished;
  await verifyAssertion(stdout, await verifyCredential(credential, vault.folder));
  const { credentials } = await key.control.list();
  expect(credentials).toContainEqual(expect.objectContaining({ rpId: 'replugged.example', userName: 'grace' }));
});

test('answers INIT and PING of another program while one waits for a touch, and tells it that it is busy', async () => {
  const key = await run({ consent: 'scripted' });
  const { path } = await key.node();
  await key.control.setConsent('once');
  const credential = await makeCredential(path, 'example.com', 'ada');
  const assertion = startAssertion(path, 'example.com', credential.id);
  await key.printed(/waiting for a touch: sign in/);

  const other = await CtapHidClient.connect(await openDevice(path));
  const payload = Uint8Array.from({ length: 1000 }, (_, i) => i);
  expect(await other.ping(payload)).toEqual(payload);
  await expect(other.cbor(Uint8Array.of(0x04))).rejects.toMatchObject({ code: ErrorCode.CHANNEL_BUSY });
  await other.close();
  expect(assertion.process.exitCode).toBeNull();

  await key.control.setConsent('once');
  const { code, stdout } = await assertion.finished;
  expect(code).toBe(0);
  await verifyAssertion(stdout, await verifyCredential(credential, vault.folder));
});

test('works on after a program was interrupted while it waited for a touch', async () => {
  const key = await run({ consent: 'scripted' });
  const { path } = await key.node();
  const interrupted = start('fido2-cred', ['-M', '-r', path], { input: credentialRequest('left.example', 'nobody') });
  await key.printed(/waiting for a touch: register/);
  interrupted.process.kill('SIGINT');
  expect((await interrupted.finished).code).toBeNull();

  await key.control.replug();
  await key.control.setConsent('always');
  const after = await key.node();
  await succeed('fido2-token', ['-I', after.path]);
  await makeCredential(after.path, 'right.example', 'ada', '-r');
  const rpIds = (await key.control.list()).credentials.map(({ rpId }) => rpId);
  expect(rpIds).toContain('right.example');
  expect(rpIds).not.toContain('left.example');
});
