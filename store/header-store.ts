// Where the header stands in the database: twice, because with a damaged one every credential would be lost.

import { transact } from './database.ts';
import {
  checkAuthentication,
  decodeHeader,
  encodeHeader,
  formatVersion,
  type Header,
  type HeaderContent,
} from './header.ts';
import type { Database } from './mapped-database.ts';
import { type SlotInfo, slotInfo } from './slots.ts';

const headerKeys = [Uint8Array.of(0x00), Uint8Array.of(0x01)] as const;

/** The bytes of the first copy, to notice changes by. */
export function headerBytes({ lmdb }: Database): Buffer {
  return lmdb.getBinary(headerKeys[0]) ?? Buffer.alloc(0);
}

/**
 * The header as the first intact copy has it.
 * @throws VaultError `foreign`, `corrupt`, `newer-format` if there is none
 */
export function readHeader({ lmdb }: Database): Header {
  return findIntact(copies(lmdb)).header;
}

/** The same; if the other copy differs, it is mended. */
export function readAndMendHeader(database: Database): Header {
  const differ = () => copies(database.lmdb).some((copy, _, [first]) => !first?.equals(copy));
  if (differ()) {
    transact(database, headerKeys.length, () => {
      if (differ()) putCopies(database, findIntact(copies(database.lmdb)).bytes);
    });
  }
  return readHeader(database);
}

/** Must run inside `transact`. */
export function writeHeader(database: Database, content: HeaderContent, rootKey: Uint8Array): void {
  putCopies(database, Buffer.from(encodeHeader(content, rootKey)));
}

/**
 * Changes the header in one transaction, as it is by then.
 * @param rootKeyOf gives the root key of the header that is there (wiped here); it throws where there is none.
 */
export function changeHeader(
  database: Database,
  rootKeyOf: (header: Header) => Uint8Array,
  change: (header: Header, rootKey: Uint8Array) => HeaderContent,
): void {
  transact(database, headerKeys.length, () => {
    const header = readHeader(database);
    const rootKey = rootKeyOf(header);
    try {
      checkAuthentication(header, rootKey);
      writeHeader(database, change(header, rootKey), rootKey);
    } finally {
      rootKey.fill(0);
    }
  });
}

function putCopies({ lmdb }: Database, bytes: Buffer): void {
  for (const key of headerKeys) lmdb.putSync(key, bytes);
}

function copies(lmdb: Database['lmdb']): Buffer[] {
  return headerKeys.map((key) => lmdb.getBinary(key) ?? Buffer.alloc(0));
}

function findIntact(candidates: readonly Buffer[]): { header: Header; bytes: Buffer } {
  let firstError: unknown;
  for (const bytes of candidates) {
    try {
      return { header: decodeHeader(bytes), bytes };
    } catch (error) {
      firstError ??= error;
    }
  }
  throw firstError;
}

/** In a format without ids there is nothing to tell of its slots but that it takes a passphrase. */
export function slotsIn(header: Header): readonly SlotInfo[] {
  if (header.formatVersion === formatVersion) return header.slots.map(slotInfo);
  return [{ id: '', kind: 'passphrase', label: undefined, createdAt: 0, sealedSecret: undefined }];
}
