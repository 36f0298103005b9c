// passfob backup and passfob restore.

import type { Command } from 'commander';
import { isAge, sealAge } from '../backup/age.ts';
import { type Backup, decodeBackup, encodeBackup } from '../backup/backup-file.ts';
import { refuseExisting, writePrivateFile } from '../backup/private-file.ts';
import type { Settings } from '../config.ts';
import type { CredentialView, ImportReport, KeyOperations } from '../control/operations.ts';
import { exitCode, UserError } from '../errors.ts';
import { confirm, vaultOptions, withKey, withWayIn } from './key-session.ts';
import { formatDate, printJson, printTable } from './output.ts';
import {
  inFile,
  type OpenFlags,
  openOptions,
  openSealed,
  readInput,
  readLock,
  type SealFlags,
  sealOptions,
} from './sealed-file.ts';

interface BackupFlags extends Settings, SealFlags {
  readonly force?: boolean;
  readonly json?: boolean;
}

interface RestoreFlags extends Settings, OpenFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly replace?: boolean;
  readonly json?: boolean;
}

export function defineBackup(command: Command): void {
  sealOptions(vaultOptions(command))
    .argument('<file>', 'the new file')
    .option('--force', 'write over a file that is there')
    .option('--json', 'print JSON')
    .action(backup);
}

export function defineRestore(command: Command): void {
  openOptions(vaultOptions(command))
    .argument('<file>', 'a file that `passfob backup` wrote, or what `age -d` made of one')
    .option('--dry-run', 'only show what it would do')
    .option('--replace', 'where a credential differs, take the one of the backup')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(restore);
}

async function backup(file: string, flags: BackupFlags): Promise<void> {
  refuseExisting(file, flags.force);
  const { content, lock } = await withWayIn(flags, async (key, way) => ({
    content: await key.exportCredentials(way),
    lock: await readLock(flags),
  }));
  const { deviceBound, damaged, ...portable } = content;
  const plaintext = encodeBackup({ createdAt: new Date().toISOString(), ...portable });
  writePrivateFile(file, await sealAge(plaintext, lock), flags.force);
  const [count, left] = [portable.credentials.length, deviceBound.length];
  if (flags.json) printJson({ file, credentials: count, deviceBound: left, damaged });
  else {
    console.log(`wrote ${count} synced ${plural(count)} to ${file}, and what opens those that are not discoverable`);
    if (left > 0) console.log(`${left} device-bound ${plural(left)} stayed out, as with a hardware key: ${advice}`);
  }
  refuseDamaged(damaged);
}

const advice = 'register a second key with these websites';

/** For the end: what could be written is written by now. @throws UserError */
export function refuseDamaged(damaged: readonly string[]): void {
  if (damaged.length === 0) return;
  throw new UserError(
    `${damaged.length} damaged ${plural(damaged.length)} could not be read and stayed out`,
    '`passfob vault check` says which',
    exitCode.vault,
  );
}

async function restore(file: string, flags: RestoreFlags): Promise<void> {
  const input = readInput(file);
  // What `age -d` made of a backup is refused, if it must be, before anybody is asked for a passphrase.
  const plain = isAge(input) ? undefined : inFile(file, () => decodeBackup(input));
  if (plain) console.error(`warning: ${file} has private keys in clear text; delete it when it is restored`);
  await withKey(flags, async (key, config) => {
    const content = plain ?? decodeBackup(await openSealed(input, flags));
    const plan = await key.importCredentials(content, { ...options(flags), dryRun: true });
    const count = changes(plan, flags);
    if (!flags.json) showPlan(content, plan, flags);
    if (flags.dryRun || count === 0) return flags.json && printJson({ ...plan, restored: false });
    await confirm(`Restore this into ${config.vaultDirectory}?`, flags.yes);
    await apply(key, content, flags);
  });
}

async function apply(key: KeyOperations, content: Backup, flags: RestoreFlags): Promise<void> {
  const report = await key.importCredentials(content, options(flags));
  if (flags.json) return printJson({ ...report, restored: true });
  const count = report.added.length + (flags.replace ? report.differing.length : 0);
  console.log(`restored ${count} ${plural(count)}`);
}

function options({ replace }: RestoreFlags) {
  return { replace: replace ?? false };
}

/** How many things a restore would change. */
function changes({ added, differing, newIdKeys }: ImportReport, { replace }: RestoreFlags): number {
  return added.length + newIdKeys + (replace ? differing.length : 0);
}

function showPlan({ createdAt, credentials }: Backup, plan: ImportReport, flags: RestoreFlags): void {
  const { added, present, differing, newIdKeys } = plan;
  const count = credentials.length;
  console.log(`the backup of ${formatDate(createdAt)} has ${count} ${plural(count)}:`);
  console.log(`  ${added.length} new`);
  console.log(`  ${present.length} there already`);
  if (differing.length > 0) {
    const fate = flags.replace ? 'taken from the backup' : "kept as the vault has them; --replace takes the backup's";
    console.log(`  ${differing.length} there already, but different: ${fate}`);
  }
  if (newIdKeys > 0) console.log('  and what opens those that are not discoverable');
  const rows = [...added.map(rowOf('new')), ...differing.map(rowOf('different'))];
  if (rows.length > 0) printTable(['', 'WEBSITE', 'USER', 'CREATED'], rows);
  if (changes(plan, flags) === 0) console.log('nothing is missing in the vault');
}

function rowOf(what: string): (credential: CredentialView) => string[] {
  return ({ rpId, userName, userDisplayName, createdAt }) => [
    what,
    rpId,
    userName ?? userDisplayName ?? '',
    formatDate(createdAt),
  ];
}

export function plural(count: number): string {
  return count === 1 ? 'credential' : 'credentials';
}
