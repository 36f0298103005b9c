// OpenSSH: key pairs whose private halves stay in passfob; in files, on the key, with and without its PIN.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { start, succeed } from './command.ts';
import { type Daemon, startDaemon, transports } from './daemon.ts';

describe.each(transports)('over %s', (transport) => {
  let daemon: Daemon;

  beforeAll(async () => {
    daemon = await startDaemon({ transport });
    await daemon.node();
  });
  afterAll(() => daemon?.stop());

  const pin = 'four seasons';
  const message = 'what ada has to say\n';

  /** How OpenSSH gets at the PIN without a terminal. */
  function askpass(): NodeJS.ProcessEnv {
    const program = join(daemon.folder, 'askpass');
    writeFileSync(program, `#!/bin/sh\necho '${pin}'\n`, { mode: 0o700 });
    return { ...process.env, SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: 'force' };
  }

  function keygen(...args: string[]): Promise<string> {
    return succeed('ssh-keygen', args, { cwd: daemon.folder, env: askpass() });
  }

  /** Signs with the private key in a file and verifies with the public key beside it. */
  async function signAndVerify(keyFile: string): Promise<void> {
    const cwd = daemon.folder;
    writeFileSync(join(cwd, 'message'), message);
    rmSync(join(cwd, 'message.sig'), { force: true });
    await keygen('-Y', 'sign', '-f', keyFile, '-n', 'file', 'message');
    writeFileSync(join(cwd, 'signers'), `ada ${readFileSync(join(cwd, `${keyFile}.pub`), 'utf8')}`);
    const verify = ['-Y', 'verify', '-f', 'signers', '-I', 'ada', '-n', 'file', '-s', 'message.sig'];
    expect(await succeed('ssh-keygen', verify, { cwd, input: message })).toMatch(/^Good "file" signature for ada /);
    expect((await start('ssh-keygen', verify, { cwd, input: 'something else\n' }).finished).code).not.toBe(0);
  }

  test.each([
    { type: 'ecdsa-sk', name: 'sk-ecdsa-sha2-nistp256@openssh.com' },
    { type: 'ed25519-sk', name: 'sk-ssh-ed25519@openssh.com' },
  ])('ssh-keygen makes an $type key, signs with it and verifies the signature', async ({ type, name }) => {
    await keygen('-t', type, '-f', type, '-N', '', '-C', 'ada');
    expect(readFileSync(join(daemon.folder, `${type}.pub`), 'utf8')).toMatch(`${name} `);
    await signAndVerify(type);
    // OpenSSH keeps the credential's id in its own key file: nothing of it is in the vault.
    expect((await daemon.control.list()).credentials).toEqual([]);
  });

  // OpenSSH asks the same over every transport, and the tests above show that all of it gets through.
  if (transport !== 'uhid') return;

  describe('a key with a PIN', () => {
    beforeAll(async () => {
      const { path } = await daemon.node();
      await succeed('fido2-token', ['-S', path], { input: `${pin}\n${pin}\n` });
    });

    test('keeps keys, with and without verification, that ssh-keygen -K gets back', async () => {
      await keygen('-t', 'ed25519-sk', '-O', 'resident', '-O', 'application=ssh:touch', '-f', 'touch', '-N', '');
      const verified = ['-O', 'resident', '-O', 'verify-required', '-O', 'application=ssh:pin'];
      await keygen('-t', 'ecdsa-sk', ...verified, '-f', 'pin', '-N', '');
      await keygen('-K', '-N', '');
      const downloads = { touch: 'id_ed25519_sk_rk_touch', pin: 'id_ecdsa_sk_rk_pin' };
      for (const [made, downloaded] of Object.entries(downloads)) {
        expect(publicKeyOf(downloaded)).toBe(publicKeyOf(made));
        await signAndVerify(downloaded);
      }
      expect(readdirSync(daemon.folder).filter((name) => name.includes('_rk_'))).toHaveLength(4);
    });

    test('logs in to a server that insists on verification', async () => {
      const inFolder = (name: string) => join(daemon.folder, name);
      await keygen('-q', '-t', 'ed25519', '-f', 'host', '-N', '');
      writeFileSync(inFolder('authorized'), `verify-required ${publicKeyOf('pin')}\n`);
      const server = [
        `HostKey ${inFolder('host')}`,
        `AuthorizedKeysFile ${inFolder('authorized')}`,
        'PasswordAuthentication no',
        'StrictModes no',
        'PidFile none',
      ];
      writeFileSync(inFolder('sshd_config'), server.map((line) => `${line}\n`).join(''));
      mkdirSync('/run/sshd', { recursive: true });
      // One connection, without a network: sshd speaks on its standard input and output.
      const connection = `ProxyCommand=/usr/sbin/sshd -i -f ${inFolder('sshd_config')}`;
      const options = ['KexAlgorithms=curve25519-sha256', 'StrictHostKeyChecking=no', 'IdentitiesOnly=yes', connection];
      const known = `UserKnownHostsFile=${inFolder('known')}`;
      const args = ['-F', 'none', ...[...options, known].flatMap((each) => ['-o', each]), '-i', 'pin'];
      const login = [...args, 'root@server.example', 'echo', 'inside'];
      expect(await succeed('ssh', login, { cwd: daemon.folder, env: askpass() })).toBe('inside\n');
    });
  });

  /** Type and key, without the comment. */
  function publicKeyOf(keyFile: string): string {
    return readFileSync(join(daemon.folder, `${keyFile}.pub`), 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ')
      .trim();
  }
});
