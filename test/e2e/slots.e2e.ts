// Vaults that open without a passphrase: by the desktop's keyring (GNOME Keyring on a session bus of its own), and by
// systemd-creds with the host's key or a TPM 2 (swtpm behind the kernel's own TPM driver). And what a person sees when
// that fails: why, and the question for the passphrase.

import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RunningCommand, start, succeed } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { onTerminal } from './terminal.ts';
import { makeVault, program, type Vault } from './vault.ts';

/** Opened by a key file, which costs no scrypt. */
let vault: Vault;
/** The same vault for somebody who gives nothing to open it. */
let silent: Vault;
let daemon: Daemon | undefined;

beforeAll(async () => {
  const made = await makeVault();
  const { PASSFOB_PASSPHRASE_FILE: _, ...env } = made.env;
  const { PASSFOB_KEY_FILE: __, ...silentEnv } = env;
  vault = asSeenBy(made, env);
  silent = asSeenBy(made, silentEnv);
});
afterEach(() => daemon?.stop());

function asSeenBy(made: Vault, env: NodeJS.ProcessEnv): Vault {
  return { ...made, env, passfob: (...args) => succeed(process.execPath, [program, ...args], { env }) };
}

const file = (name: string) => join(vault.folder, name);

async function addSlot(who: Vault, ...args: string[]): Promise<string> {
  const { id } = JSON.parse(await who.passfob('vault', 'slots', 'add', ...args, '--json')) as { id: string };
  return id;
}

/** Whether the vault opens by itself, for a command and for the daemon. */
async function opensByItself(): Promise<void> {
  expect(JSON.parse(await silent.passfob('credentials', 'list', '--json'))).toEqual([]);
  daemon = await startDaemon({ vault: silent });
  expect(await daemon.control.status()).toMatchObject({ locked: false });
}

/** What a command says of a vault that does not open by itself, where nobody can be asked. */
async function refusal(): Promise<string> {
  const list = [program, 'credentials', 'list'];
  const { code, stderr } = await start(process.execPath, list, { env: silent.env }).finished;
  expect(code).not.toBe(0);
  expect(stderr).toContain('no passphrase: standard input is not a terminal');
  return stderr;
}

/** The same command on a terminal, where the passphrase is typed. */
async function askedFor(): Promise<string> {
  const variables = ['HOME', 'PASSFOB_VAULT', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS'];
  const env = variables.map((name) => `${name}=${silent.env[name] ?? ''}`).join(' ');
  const list = `env ${env} ${process.execPath} ${program} credentials list --json`;
  const { code, stdout } = await onTerminal(list, /Passphrase: /, 'a passphrase for tests');
  expect(code).toBe(0);
  expect(stdout).toContain('[]');
  return stdout;
}

/** Ends a program that a test started. */
async function end({ process, finished }: RunningCommand): Promise<void> {
  process.kill('SIGTERM');
  await finished;
}

describe("the desktop's keyring", () => {
  let bus: RunningCommand;
  let keyring: RunningCommand;
  let id: string;

  beforeAll(async () => {
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

  /** Starts the keyring of the session; with the login password it is unlocked. */
  async function logIn(...password: '--unlock'[]): Promise<void> {
    const options = ['--components=secrets', '--foreground', ...password];
    keyring = start('gnome-keyring-daemon', options, { env: silent.env, input: 'login password' });
    await succeed('gdbus', ['wait', '--session', '--timeout=60', 'org.freedesktop.secrets'], { env: silent.env });
  }

  test('opens the vault for a command and for the daemon, without a passphrase', opensByItself);

  test('is told to be locked, or not there, before the passphrase is asked for', async () => {
    await end(keyring);
    expect(await refusal()).toContain(
      `slot ${id} (keyring) does not open the vault: the desktop's keyring does not answer`,
    );
    await logIn();
    expect(await askedFor()).toContain(`slot ${id} (keyring) does not open the vault: the desktop's keyring is locked`);
  });

  test('opens nothing any more once its slot is removed', async () => {
    await end(keyring);
    await logIn('--unlock');
    await silent.passfob('vault', 'slots', 'remove', id, '--yes');
    expect(await refusal()).not.toContain(id);
  });
});

const hostKey = '/var/lib/systemd/credential.secret';
const failure = (id: string) => `slot ${id} (systemd-creds) does not open the vault: systemd-creds failed:`;

// Behind the kernel's driver for emulated TPMs; beside a real one it would be the second, which nobody asks.
describe.skipIf(!existsSync('/dev/vtpmx') || existsSync('/dev/tpmrm0'))('systemd-creds', () => {
  let tpm: RunningCommand;
  let id: string;

  beforeAll(async () => {
    await plugIn('first');
    id = await addSlot(vault, 'systemd-creds', '--with-key', 'tpm2');
  });
  afterAll(() => end(tpm));

  /** Starts a TPM 2 with a state of its own. */
  async function plugIn(name: string): Promise<void> {
    mkdirSync(file(name), { recursive: true });
    tpm = start('swtpm', ['chardev', '--vtpm-proxy', '--tpm2', '--tpmstate', `dir=${file(name)}`]);
    await succeed('udevadm', ['wait', '--timeout=60', '/dev/tpmrm0']);
  }

  test('opens the vault with this TPM, for a command and for the daemon, without a passphrase', opensByItself);

  test('opens nothing with another TPM, and says so', async () => {
    await end(tpm);
    await plugIn('second');
    expect(await refusal()).toContain(`${failure(id)} Failed to load HMAC key in TPM`);
  });

  test("opens the vault with this machine's own key where there is no TPM any more, and with no other", async () => {
    await end(tpm);
    await plugIn('first');
    const host = await addSlot(silent, 'systemd-creds', '--with-key', 'host');
    await end(tpm);
    const list = [program, 'credentials', 'list', '--json'];
    expect(await start(process.execPath, list, { env: silent.env }).finished).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`${failure(id)} Failed to initialize TCTI context`),
    });
    renameSync(hostKey, `${hostKey}.away`);
    const refused = await refusal().finally(() => renameSync(`${hostKey}.away`, hostKey));
    expect(refused).toContain(failure(host));
  });
});
