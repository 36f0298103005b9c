// Vaults that systemd-creds opens, with the host's key or a TPM 2 (swtpm behind the kernel's own TPM driver), and what a
// person sees when that fails. Those that the desktop's keyring opens are in test/proof/keyring.proof.ts.

import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningCommand, start, succeed } from './command.ts';
import { addSlot, end, makeSilentVault, opensByItself, refusal } from './silent-vault.ts';
import { program, type Vault } from './vault.ts';

const hostKey = '/var/lib/systemd/credential.secret';
const failure = (id: string) => `slot ${id} (systemd-creds) does not open the vault: systemd-creds failed:`;

// Behind the kernel's driver for emulated TPMs; beside a real one it would be the second, which nobody asks.
describe.skipIf(!existsSync('/dev/vtpmx') || existsSync('/dev/tpmrm0'))('systemd-creds', () => {
  let vault: Vault;
  let silent: Vault;
  let tpm: RunningCommand;
  let id: string;

  beforeAll(async () => {
    ({ vault, silent } = await makeSilentVault());
    await plugIn('first');
    id = await addSlot(vault, 'systemd-creds', '--with-key', 'tpm2');
  });
  afterAll(() => end(tpm));

  const file = (name: string) => join(vault.folder, name);

  /** Starts a TPM 2 with a state of its own. */
  async function plugIn(name: string): Promise<void> {
    mkdirSync(file(name), { recursive: true });
    tpm = start('swtpm', ['chardev', '--vtpm-proxy', '--tpm2', '--tpmstate', `dir=${file(name)}`]);
    await succeed('udevadm', ['wait', '--timeout=60', '/dev/tpmrm0']);
  }

  test('opens the vault with this TPM, for a command and for the daemon, without a passphrase', () =>
    opensByItself(silent));

  test('opens nothing with another TPM, and says so', async () => {
    await end(tpm);
    await plugIn('second');
    expect(await refusal(silent)).toContain(`${failure(id)} Failed to load HMAC key in TPM`);
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
    const refused = await refusal(silent).finally(() => renameSync(`${hostKey}.away`, hostKey));
    expect(refused).toContain(failure(host));
  });
});
