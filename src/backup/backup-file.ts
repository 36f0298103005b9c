// What is inside of a backup: one JSON document, described in docs/backup.md.

import { UserError } from '../errors.ts';
import { JsonReader, parseJson } from '../exchange/json-reader.ts';
import type { PortableVaultJson } from '../exchange/portable.ts';

const format = 'passfob-backup';
const formatVersion = 1;

export interface Backup extends PortableVaultJson {
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

/** UTF-8; the same vault at the same time gives the same bytes. */
export function encodeBackup({ createdAt, syncedIdKeys, credentials }: Backup): Uint8Array {
  const document = { format, formatVersion, createdAt, syncedIdKeys, credentials };
  return Buffer.from(`${JSON.stringify(document, undefined, 2)}\n`);
}

/** Whether a document says that it is a backup, of whichever version. */
export function isBackup(document: unknown): boolean {
  return says(document, format);
}

/** @throws UserError for what `passfob dump` printed, which has not all that belongs to a credential */
export function refuseDump(document: unknown): void {
  if (!says(document, 'passfob-dump')) return;
  throw new UserError('this is a dump, which is not read back', '`passfob backup` writes what `passfob restore` takes');
}

function says(document: unknown, name: string): boolean {
  return typeof document === 'object' && document !== null && 'format' in document && document.format === name;
}

/** The credentials are looked at where they are used. @throws UserError if it is no backup of this version */
export function decodeBackup(plaintext: Uint8Array): Backup {
  const document = parseJson(Buffer.from(plaintext).toString('utf8'));
  refuseDump(document);
  if (!isBackup(document)) {
    throw new UserError('expected a passfob backup, got something else', '`passfob import` reads other formats');
  }
  const reader = new JsonReader(document);
  const version = reader.member('formatVersion').unsigned();
  if (version !== formatVersion) {
    throw new UserError(
      `expected a backup of version ${formatVersion}, got version ${version}`,
      'update passfob; nothing was changed',
    );
  }
  reader.member('createdAt').date();
  return document as Backup;
}
