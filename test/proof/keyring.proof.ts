// A vault that the desktop's keyring opens (GNOME Keyring on a session bus of its own), and what a person sees when it does
// not: why, and the question for the passphrase.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningCommand, start, succeed } from '../e2e/command.ts';
import { addSlot, end, makeSilentVault, opensByItself, refusal } from '../e2e/silent-vault.ts';
import { onTerminal } from '../e2e/terminal.ts';
import { program, type Vault } from '../e2e/vault.ts';
import { lacks } from './lacks.ts';

const programs = ['dbus-daemon', 'gnome-keyring-daemon', 'gdbus', 'script'];

describe.skipIf(lacks(...programs))("the desktop's keyring", () => {
  let vault: Vault;
  let silent: Vault;
  let bus: RunningCommand;
  let keyring: RunningCommand;
  let id: string;

  beforeAll(async () => {
    ({ vault, silent } = await makeSilentVault());
    // A bus that starts nothing by itself: the test decides whether there is a keyring.
    writeFileSync(
      file('bus.conf'),
      `<busconfig><type>session</type><listen>unix:path=${file('bus')}</listen>
       <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
       </busconfig>`,
    );
    bus = start('dbus-daemon', [`--config-file=${file('bus.conf')}`, '--print-address', '--nofork']);
    const [address] = (await once(bus.process.stdout ?? bus.process, 'data')) as [Buffer];
    for (const { env } of [vault, silent]) env['DBUS_SESSION_BUS_ADDRESS'] = address.toString().trim();
    await logIn('--unlock');
    id = await addSlot(vault, 'keyring');
  });
  afterAll(async () => {
    await end(keyring);
    await end(bus);
  });

  const file = (name: string) => join(vault.folder, name);

  /** Starts the keyring of the session; with the login password it is unlocked. */
  async function logIn(...password: '--unlock'[]): Promise<void> {
    const options = ['--components=secrets', '--foreground', ...password];
    keyring = start('gnome-keyring-daemon', options, { env: silent.env, input: 'login password' });
    await succeed('gdbus', ['wait', '--session', '--timeout=60', 'org.freedesktop.secrets'], { env: silent.env });
  }

  /** What a command shows on a terminal, where the passphrase is typed. */
  async function askedFor(): Promise<string> {
    const variables = ['HOME', 'PASSFOB_VAULT', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS'];
    const env = variables.map((name) => `${name}=${silent.env[name] ?? ''}`).join(' ');
    const list = `env ${env} ${process.execPath} ${program} credentials list --json`;
    const { code, stdout } = await onTerminal(list, /Passphrase: /, 'a passphrase for tests');
    expect(code).toBe(0);
    expect(stdout).toContain('[]');
    return stdout;
  }

  test('opens the vault for a command and for the daemon, without a passphrase', () => opensByItself(silent));

  test('is told to be locked, or not there, before the passphrase is asked for', async () => {
    await end(keyring);
    expect(await refusal(silent)).toContain(
      `slot ${id} (keyring) does not open the vault: the desktop's keyring does not answer`,
    );
    await logIn();
    expect(await askedFor()).toContain(`slot ${id} (keyring) does not open the vault: the desktop's keyring is locked`);
  });

  test('opens nothing any more once its slot is removed', async () => {
    await end(keyring);
    await logIn('--unlock');
    await silent.passfob('vault', 'slots', 'remove', id, '--yes');
    expect(await refusal(silent)).not.toContain(id);
  });
});
