// passfob credentials list: the newest first, by pages, or all in the vault's order, line by line.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { algorithmName } from '../../ctap/cose.ts';
import type { Settings } from '../config.ts';
import { newestFirst } from '../control/newest-first.ts';
import type { CredentialEntry, CredentialView } from '../control/operations.ts';
import { vaultOptions, withKey } from './key-session.ts';
import { formatDate, formatJson, printJson, printTable } from './output.ts';
import { isOutputFailure } from './standard-output.ts';

interface Flags extends Settings {
  readonly rp?: string;
  readonly limit?: number;
  readonly page?: number;
  readonly json?: boolean;
  readonly jsonLines?: boolean;
}

/** Credentials on a page of a terminal, if nobody says how many. */
const pageLength = 100;

export function addListCommand(noun: Command): void {
  vaultOptions(noun.command('list').description('list the discoverable credentials, newest first'))
    .option('--rp <id>', 'only those of one website (relying party), such as example.com')
    .option('--limit <n>', `so many on a page (default: ${pageLength} on a terminal and with --page)`, wholeNumber)
    .option('--page <n>', 'a page; the newest are on page 1', wholeNumber)
    .option('--json', 'print JSON')
    .addOption(
      new Option('--json-lines', 'print JSON, one credential a line, as fast as it is read, in no order').conflicts([
        'json',
        'limit',
        'page',
      ]),
    )
    .action(list);
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number from 1 to 9999999.');
}

async function list(flags: Flags): Promise<void> {
  if (flags.jsonLines) return withKey(flags, (key) => printLines(ofWebsite(key.credentials(), flags.rp)));
  const { page = 1, limit = isPaged(flags) ? pageLength : Number.MAX_SAFE_INTEGER } = flags;
  const end = page * limit;
  const { credentials, total, damaged } = await withKey(flags, (key) =>
    newestFirst(ofWebsite(key.credentials(), flags.rp), end),
  );
  for (const message of damaged) warn(message);
  const shown = credentials.slice(end - limit);
  if (flags.json) return printJson(shown);
  if (shown.length === 0) return console.log(page > 1 ? `no page ${page}` : 'no discoverable credentials');
  printCredentials(shown);
  const sameLength = flags.limit === undefined ? '' : ` --limit ${limit}`;
  if (total > end) console.error(`… ${(total - end).toLocaleString('en')} more:${sameLength} --page ${page + 1}`);
}

/** Scripts get everything, unless they ask for a page. */
function isPaged({ page, json }: Flags): boolean {
  return page !== undefined || (process.stdout.isTTY && !json);
}

/** Damage is told of whatever website: nothing says whose it is. */
async function* ofWebsite(
  entries: AsyncIterable<CredentialEntry>,
  rpId: string | undefined,
): AsyncGenerator<CredentialEntry> {
  for await (const entry of entries) if ('damaged' in entry || rpId === undefined || entry.rpId === rpId) yield entry;
}

function printCredentials(credentials: readonly CredentialView[]): void {
  printTable(
    ['ID', 'WEBSITE', 'USER', 'CREATED', 'ALGORITHM'],
    credentials.map((credential) => [
      credential.id.slice(0, 12),
      credential.rpId,
      credential.userName ?? credential.userDisplayName ?? '',
      formatDate(credential.createdAt),
      algorithmName(credential.algorithm),
    ]),
  );
}

/** Ends early, and well, where the reader does: `| head -1`. */
async function printLines(entries: AsyncIterable<CredentialEntry>): Promise<void> {
  await pipeline(Readable.from(linesOf(entries)), process.stdout, { end: false }).catch((error: Error) => {
    if (!isOutputFailure(error)) throw error;
  });
}

async function* linesOf(entries: AsyncIterable<CredentialEntry>): AsyncGenerator<string> {
  for await (const entry of entries) {
    if ('damaged' in entry) warn(entry.damaged);
    else yield `${formatJson(entry, 0)}\n`;
  }
}

function warn(message: string): void {
  console.error(`warning: ${message}`);
}
