// passfob export and passfob import: passkeys to and from other managers.

import type { Command } from 'commander';
import { isAge, sealAge } from '../backup/age.ts';
import { refuseExisting, writePrivateFile } from '../backup/private-file.ts';
import type { Settings } from '../config.ts';
import type { CredentialExport } from '../control/operations.ts';
import { exitCode, UserError } from '../errors.ts';
import type { Found } from '../exchange/format.ts';
import { formatNamed, formats, readExchange } from '../exchange/formats.ts';
import { isDomain, JsonReader } from '../exchange/json-reader.ts';
import { type CredentialJson, portableVaultJson, readPortableVault } from '../exchange/portable.ts';
import { oneLine } from '../log.ts';
import { refuseDamaged } from './backup.ts';
import { refuseOption } from './credentials.ts';
import { vaultOptions, withKey, withWayIn } from './key-session.ts';
import { printJson, printTable } from './output.ts';
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

interface ExportFlags extends Settings, SealFlags {
  readonly format: string;
  readonly rp?: string;
  readonly plain?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

interface ImportFlags extends Settings, OpenFlags {
  readonly format?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const formatNames = Object.keys(formats).join(', ');

export function defineExport(command: Command): void {
  command
    .argument('<file>', 'the new file')
    .argument('[id...]', 'which ones, by id or the beginning of one; otherwise all that are synced')
    .requiredOption('--format <format>', `one of: ${formatNames}`);
  sealOptions(vaultOptions(command))
    .option('--rp <rpid>', 'only those of this website')
    .option('--plain', 'in clear text, as other managers want it: whoever reads the file has the keys')
    .option('--force', 'write over a file that is there')
    .option('--json', 'print JSON')
    .allowUnknownOption()
    .hook('preAction', (_, command) => command.args.forEach(refuseOption))
    .action(exportPasskeys);
}

export function defineImport(command: Command): void {
  openOptions(vaultOptions(command))
    .argument('<file...>', 'exports of other managers, plain or sealed with age')
    .option('--format <format>', `one of: ${formatNames}; otherwise what the file looks like`)
    .option('--dry-run', 'only show what it would do')
    .option('--json', 'print JSON')
    .action(importPasskeys);
}

async function exportPasskeys(file: string, ids: readonly string[], flags: ExportFlags): Promise<void> {
  const format = formatNamed(flags.format);
  refuseExisting(file, flags.force);
  refuseBoth(flags);
  const content = await withWayIn(flags, async (key, way) => {
    const { credentials, left, notWebsites, damaged } = choose(await key.exportCredentials(way), ids, flags.rp);
    const document = format.write(readPortableVault(new JsonReader({ syncedIdKeys: [], credentials })).credentials);
    const plaintext = Buffer.from(`${JSON.stringify(document, undefined, 2)}\n`);
    return {
      credentials,
      left,
      notWebsites,
      damaged,
      bytes: flags.plain ? plaintext : await sealAge(plaintext, await readLock(flags)),
    };
  });
  writePrivateFile(file, content.bytes, flags.force);
  const { length } = content.credentials;
  const { left, notWebsites, damaged } = content;
  if (flags.json) printJson({ file, format: flags.format, exported: length, deviceBound: left, notWebsites, damaged });
  else {
    const sealed = flags.plain ? '' : ', sealed with age';
    console.log(`wrote ${count(length, 'passkey')} to ${file}: ${format.title}${sealed}`);
    if (left > 0) console.log(`${count(left, 'device-bound credential')} stayed out`);
    if (notWebsites > 0) console.log(`${count(notWebsites, 'credential')} of no website stayed out; a backup has them`);
  }
  if (flags.plain) console.error(`warning: ${file} has private keys in clear text; delete it when it is imported`);
  refuseDamaged(damaged);
}

function refuseBoth({ plain, recipient, agePassphraseFile }: ExportFlags): void {
  if (!plain || (recipient === undefined && agePassphraseFile === undefined)) return;
  throw new UserError('expected --plain or what to seal the file under, got both', undefined, exitCode.usage);
}

interface Choice {
  readonly credentials: readonly CredentialJson[];
  /** How many are device-bound. */
  readonly left: number;
  /** How many other managers would not take, as those of SSH keys. */
  readonly notWebsites: number;
  readonly damaged: readonly string[];
}

/** @throws UserError for a device-bound one that was named, or if nothing is left */
function choose(
  { credentials, deviceBound, damaged }: CredentialExport,
  ids: readonly string[],
  rp: string | undefined,
): Choice {
  const isOfRp = ({ rpId }: { rpId: string }) => rp === undefined || rpId === rp;
  const synced = credentials.filter(isOfRp);
  const bound = deviceBound.filter(isOfRp);
  if (ids.length > 0) {
    const named = new Set(ids.map((id) => chooseOne(id, synced, bound)));
    return { credentials: [...named], left: 0, notWebsites: 0, damaged: [] };
  }
  // One that was asked for by its website is refused by the format, with the reason.
  const websites = rp === undefined ? synced.filter(({ rpId }) => isDomain(rpId)) : synced;
  const notWebsites = synced.length - websites.length;
  if (websites.length > 0) return { credentials: websites, left: bound.length, notWebsites, damaged };
  if (bound[0]) throw staysHere(bound[0].rpId);
  refuseDamaged(damaged);
  throw new UserError('there is no credential to export', '`passfob credentials list` shows them', exitCode.notFound);
}

function chooseOne(
  id: string,
  synced: readonly CredentialJson[],
  bound: readonly { id: string; rpId: string }[],
): CredentialJson {
  const begins = (credential: { id: string }) => credential.id.startsWith(id);
  const fitting = synced.filter(begins);
  const staying = bound.filter(begins);
  const exact = fitting.find((credential) => credential.id === id);
  const [first] = fitting;
  if (exact) return exact;
  if (first && fitting.length + staying.length === 1) return first;
  if (staying[0] && fitting.length === 0) throw staysHere(staying[0].rpId);
  throw new UserError(
    `${first ? 'more than one credential has' : 'no credential has'} an id that begins with "${id}"`,
    first ? 'give more of the id' : '`passfob credentials list` shows them',
    exitCode.notFound,
  );
}

function staysHere(rpId: string): UserError {
  return new UserError(
    `the credential of ${oneLine(rpId)} is device-bound: the website was told that it exists once, here`,
    'register another key with the website; only synced credentials can leave',
  );
}

async function importPasskeys(files: readonly string[], flags: ImportFlags): Promise<void> {
  const found: Found[] = [];
  for (const file of files) found.push(await readFile(file, flags));
  const credentials = found.flatMap((each) => each.credentials);
  const content = portableVaultJson({ syncedIdKeys: [], credentials });
  const dryRun = flags.dryRun ?? false;
  const { added, present, differing } = await withKey(flags, (key) => key.importCredentials(content, { dryRun }));
  const skipped = present.length + differing.length;
  const passedOver = sum(found.map((each) => each.passedOver));
  const counted = sum(found.map((each) => each.counted));
  if (flags.json) return printJson({ imported: added, skipped, passedOver, counted, dryRun });
  console.log(`${dryRun ? 'would import' : 'imported'} ${count(added.length, 'passkey')}`);
  if (skipped > 0) console.log(`skipped ${skipped} that ${skipped === 1 ? 'is' : 'are'} in the vault already`);
  if (passedOver > 0) console.log(`passed over ${count(passedOver, 'other entry', 'other entries')}`);
  if (added.length > 0) {
    printTable(
      ['ID', 'WEBSITE', 'USER'],
      added.map(({ id, rpId, userName, userDisplayName }) => [
        id.slice(0, 12),
        rpId,
        userName ?? userDisplayName ?? '',
      ]),
    );
  }
  if (counted > 0) {
    console.error(`warning: ${count(counted, 'passkey')} counted sign-ins before; websites may refuse a count of 0`);
  }
}

async function readFile(path: string, flags: ImportFlags): Promise<Found> {
  const format = flags.format === undefined ? undefined : formatNamed(flags.format);
  const input = readInput(path);
  const content = isAge(input) ? await openSealed(input, flags) : input;
  return inFile(path, () => readExchange(Buffer.from(content).toString('utf8'), format));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
