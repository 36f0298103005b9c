// passfob vault slots: the ways to open a vault.

import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { newRecoveryPhrase, type OpenVault, readSlots, type SlotInfo } from '../../store/vault.ts';
import { loadConfig, oneOf, type Settings } from '../config.ts';
import { exitCode, UserError } from '../errors.ts';
import { desktopKeyring } from '../unlock/keyring.ts';
import { addKeyFileSlot, addKeyringSlot, addMachineSlot } from '../unlock/new-slot.ts';
import { machineKeys } from '../unlock/systemd-creds.ts';
import { unlockVault } from '../unlock/unlock-vault.ts';
import { confirm, vaultOptions } from './key-session.ts';
import { formatDate, printJson, printTable } from './output.ts';
import { readNewPassphrase } from './passphrase.ts';
import { requireVault } from './require-vault.ts';
import type { SecretKind } from './secret.ts';
import { requirePrintedOnce } from './standard-output.ts';

const kinds = ['passphrase', 'key-file', 'keyring', 'systemd-creds', 'recovery-phrase'] as const;
type Kind = (typeof kinds)[number];

const newPassphrase: SecretKind = { name: 'passphrase', hint: 'give --new-passphrase-file FILE' };

interface AddFlags extends Settings {
  readonly label?: string;
  readonly withKey?: string;
  readonly credentialFile?: string;
  readonly newPassphraseFile?: string;
  readonly json?: boolean;
}

export function addSlotCommands(vault: Command): void {
  const noun = vault.command('slots').description('the ways to open the vault: each opens it alone');
  vaultOptions(noun.command('list').description('show the ways to open the vault'))
    .option('--json', 'print JSON')
    .action(list);
  vaultOptions(noun.command('add').description(`add a way to open the vault: ${kinds.join(', ')}`))
    .argument('<kind>')
    .argument('[file]', 'the key file; made if it is not there')
    .option('--label <text>', 'a name for people')
    .option('--new-passphrase-file <file>', 'read the new passphrase from the first line of FILE')
    .option('--with-key <key>', `what systemd-creds seals to: ${machineKeys.join(', ')} (default: auto)`)
    .option('--credential-file <file>', 'write what systemd-creds sealed to FILE, for LoadCredentialEncrypted=')
    .option('--json', 'print JSON')
    .action(add);
  vaultOptions(noun.command('remove').description('remove a way to open the vault'))
    .argument('<id>')
    .option('--yes', 'do not ask')
    .action(remove);
}

async function list(flags: Settings & { json?: boolean }): Promise<void> {
  const { vaultDirectory } = loadConfig(flags);
  requireVault(vaultDirectory);
  const slots = await readSlots(vaultDirectory);
  if (flags.json) return printJson(slots.map(view));
  printTable(
    ['ID', 'KIND', 'CREATED', 'LABEL'],
    slots.map(({ id, kind, createdAt, label }) => [
      id,
      kind,
      formatDate(new Date(createdAt).toISOString()),
      label ?? '',
    ]),
  );
}

async function add(kindName: string, file: string | undefined, flags: AddFlags): Promise<void> {
  const kind = oneOf('kind of slot', kinds, kindName);
  refuseStray(kind, file, flags);
  await withVault(flags, async (vault) => {
    if (kind === 'recovery-phrase') return addRecoveryPhrase(vault, flags);
    const slot = await makeSlot(kind, vault, file ?? '', flags);
    if (flags.credentialFile !== undefined) writeCredential(flags.credentialFile, slot);
    if (flags.json) return printJson(view(slot));
    console.log(`slot ${slot.id} (${kind}) opens the vault from now on`);
    if (flags.credentialFile !== undefined) {
      console.log(`for a service: LoadCredentialEncrypted=passfob-${slot.id}:${resolve(flags.credentialFile)}`);
    }
  });
}

async function makeSlot(kind: Kind, vault: OpenVault, file: string, flags: AddFlags): Promise<SlotInfo> {
  const { label } = flags;
  if (kind === 'key-file') return addKeyFileSlot(vault, file, label);
  if (kind === 'keyring') return addKeyringSlot(vault, label);
  if (kind === 'systemd-creds') {
    return addMachineSlot(vault, oneOf('key of the machine', machineKeys, flags.withKey ?? 'auto'), label);
  }
  const passphrase = await readNewPassphrase(flags.newPassphraseFile, newPassphrase);
  return vault.addSlot({ passphrase }, label === undefined ? {} : { label });
}

/** Makes a recovery phrase and shows it, this one time. */
export async function addRecoveryPhrase(
  vault: OpenVault,
  { label, json }: { readonly label?: string; readonly json?: boolean },
): Promise<void> {
  const recoveryPhrase = await newRecoveryPhrase();
  const slot = await vault.addSlot({ recoveryPhrase }, label === undefined ? {} : { label });
  if (json) printJson({ ...view(slot), recoveryPhrase });
  else showRecoveryPhrase(slot, recoveryPhrase);
  await requireSeen(slot);
}

/** @throws UserError if the words of this slot may not have arrived */
export function requireSeen({ id }: SlotInfo): Promise<void> {
  return requirePrintedOnce(`nobody has seen all the words; \`passfob vault slots remove ${id}\`, and add others`);
}

function showRecoveryPhrase(slot: SlotInfo, recoveryPhrase: string): void {
  console.log(`slot ${slot.id} (recovery-phrase) opens the vault with these words, which are not shown again:`);
  const words = recoveryPhrase.split(' ').map((word, index) => `${String(index + 1).padStart(2)} ${word}`);
  const rows = [0, 1, 2, 3, 4, 5].map((row) => words.filter((_, index) => index % 6 === row));
  for (const row of rows) console.log(`  ${row.map((cell) => cell.padEnd(12)).join('')}`.trimEnd());
  console.log('Write them down on paper, with their numbers, and keep them away from this machine.');
}

async function remove(id: string, flags: Settings & { yes?: boolean }): Promise<void> {
  await withVault(flags, async (vault) => {
    const slot = vault.slots().find((candidate) => candidate.id === id);
    if (slot) await confirm(`Remove slot ${id} (${slot.label ?? slot.kind})?`, flags.yes);
    vault.removeSlot(id);
    // The vault does not open with it any more, whether the keyring answers or not.
    if (slot?.kind === 'keyring') await desktopKeyring.delete(id).catch(() => undefined);
    console.log(`slot ${id} does not open the vault any more`);
    console.log(
      'Copies of the vault made before still do; `passfob vault rekey` makes their key useless for this one.',
    );
  });
}

/** Opens the vault in this process, also beside a daemon: who changes the ways in must have one. */
async function withVault(flags: Settings, use: (vault: OpenVault) => Promise<void>): Promise<void> {
  const config = loadConfig(flags);
  requireVault(config.vaultDirectory);
  const vault = await unlockVault(config.vaultDirectory, config);
  try {
    await use(vault);
  } finally {
    await vault.close();
  }
}

function view({ id, kind, label, createdAt }: SlotInfo) {
  return { id, kind, label: label ?? null, createdAt: new Date(createdAt).toISOString() };
}

function writeCredential(path: string, { sealedSecret = new Uint8Array() }: SlotInfo): void {
  try {
    writeFileSync(path, sealedSecret, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw new UserError(
      `cannot write ${path}: ${(error as Error).message}`,
      'the slot is there; remove it, or keep it',
    );
  }
}

/** What belongs to another kind of slot is a mistake, not to be passed over. @throws UserError */
function refuseStray(kind: Kind, file: string | undefined, flags: AddFlags): void {
  if (kind === 'key-file' && !file) {
    throw new UserError('a key-file slot needs a file', 'passfob vault slots add key-file FILE', exitCode.usage);
  }
  const stray = [
    kind !== 'key-file' && file,
    kind !== 'passphrase' && flags.newPassphraseFile !== undefined && '--new-passphrase-file',
    kind !== 'systemd-creds' && flags.withKey !== undefined && '--with-key',
    kind !== 'systemd-creds' && flags.credentialFile !== undefined && '--credential-file',
  ].find(Boolean);
  if (stray) throw new UserError(`${stray} does not go with a ${kind} slot`, undefined, exitCode.usage);
}
