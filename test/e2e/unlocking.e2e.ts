// What a key unlocks on Linux besides websites: an encrypted disk (systemd-cryptenroll) and a login (pam_u2f).

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { start, succeed } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { onTerminal } from './terminal.ts';

const pin = 'four seasons';
let daemon: Daemon;
let node: string;

// With a certificate, since pamu2fcfg 1.1 does not take self attestation.
beforeAll(async () => {
  daemon = await startDaemon({ consent: 'scripted', verify: true, options: ['--attestation', 'certificate'] });
  node = (await daemon.node()).path;
  await daemon.control.setConsent('always');
});
afterAll(() => daemon?.stop());

const file = (name: string) => join(daemon.folder, name);

async function setPin(): Promise<void> {
  await succeed('fido2-token', ['-S', node], { input: `${pin}\n${pin}\n` });
}

describe('a LUKS volume', () => {
  const cryptsetup = '/lib/systemd/systemd-cryptsetup';

  afterEach(() => succeed('cryptsetup', ['close', 'disk']));

  test('is unlocked by a touch', async () => {
    const image = await makeVolume('touch');
    const enroll = [`--unlock-key-file=${file('key')}`, `--fido2-device=${node}`, '--fido2-with-client-pin=no', image];
    await succeed('systemd-cryptenroll', enroll);
    await succeed(cryptsetup, ['attach', 'disk', image, '-', 'fido2-device=auto,headless=true']);
    expect(await succeed('cryptsetup', ['status', 'disk'])).toMatch(/^\s*type:\s+LUKS2$/m);
  });

  test('is unlocked by PIN and touch', async () => {
    await setPin();
    const image = await makeVolume('pin');
    const enroll = `systemd-cryptenroll --unlock-key-file=${file('key')} --fido2-device=${node} --fido2-with-client-pin=yes ${image}`;
    // A key that does not insist is enrolled without its PIN, and then gives other secrets with it: systemd #31443.
    await succeed('fido2-token', ['-S', '-u', node], { input: `${pin}\n` });
    expect(await onTerminal(enroll, /PIN[^\n]*:/, pin)).toMatchObject({ code: 0 });
    await succeed('fido2-token', ['-D', '-u', node], { input: `${pin}\n` });
    const open = `cryptsetup open --token-only ${image} disk`;
    expect(await onTerminal(open, /PIN[^\n]*:/, pin)).toMatchObject({ code: 0 });
    expect(await succeed('cryptsetup', ['status', 'disk'])).toMatch(/^\s*type:\s+LUKS2$/m);
  });

  async function makeVolume(name: string): Promise<string> {
    writeFileSync(file('key'), 'a key for the first slot');
    writeFileSync(file(name), Buffer.alloc(20_000_000));
    const cheap = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000'];
    await succeed('cryptsetup', [
      'luksFormat',
      '--type',
      'luks2',
      '-q',
      ...cheap,
      '--key-file',
      file('key'),
      file(name),
    ]);
    return file(name);
  }
});

describe('a login through PAM', () => {
  const names = ['-o', 'pam://example', '-i', 'pam://example'];
  const service = 'passfob-test';
  let logins = 0;

  afterAll(() => rmSync(`/etc/pam.d/${service}`, { force: true }));

  test('takes a touch, and is refused if the key is pulled out instead', async () => {
    const login = await register();
    await daemon.control.setConsent('never');
    const refused = login();
    await daemon.printed(/waiting for a touch: sign in to pam:/);
    await daemon.control.replug();
    expect(await refused.finished).toMatchObject({ code: 1 });
    await daemon.control.setConsent('always');
    node = (await daemon.node()).path;
    expect(await login().finished).toMatchObject({ code: 0 });
  });

  test('takes the PIN with a discoverable credential, and is refused with a wrong one', async () => {
    const login = await register('--resident', '--pin-verification');
    expect(await login(pin).finished).toMatchObject({ code: 0 });
    expect(await login('no season').finished).toMatchObject({ code: 1 });
  });

  test("takes the key's own verification of its user", async () => {
    const login = await register('--user-verification');
    expect(await login().finished).toMatchObject({ code: 0 });
  });

  /** Registers root with pamu2fcfg; the function that is returned logs in. */
  async function register(...options: string[]) {
    const mapping = file(`mapping-${++logins}`);
    const input = `${pin}\n`;
    writeFileSync(mapping, await succeed('pamu2fcfg', ['-u', 'root', ...names, ...options], { input }));
    const module = `pam_u2f.so authfile=${mapping} origin=pam://example appid=pam://example`;
    writeFileSync(`/etc/pam.d/${service}`, `auth required ${module}\naccount required pam_permit.so\n`);
    return (typed = '') => start('pamtester', [service, 'root', 'authenticate'], { input: `${typed}\n` });
  }
});
