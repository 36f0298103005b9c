// Reading records that may be damaged.

import type { Credential } from '../ctap/env.ts';
import { decodeCredential } from './records.ts';
import { openRecord } from './seal.ts';
import { VaultError } from './vault-error.ts';

/** Opens and decodes a record, and wipes what lay open in between. @throws VaultError `corrupt` */
export function openCredential(sealKey: Uint8Array, key: Uint8Array, sealed: Uint8Array): Credential {
  const record = openRecord(sealKey, key, sealed);
  try {
    return decodeCredential(record);
  } finally {
    record.fill(0);
  }
}

/** What is read, or the error that tells why it cannot be. */
export function whatIsRead<T>(read: () => T): T | VaultError {
  try {
    return read();
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
}

/** What is read, or undefined if it is damaged. @throws VaultError with any other code */
export function unlessCorrupt<T>(read: () => T): T | undefined {
  const found = whatIsRead(read);
  if (!(found instanceof VaultError)) return found;
  if (found.code === 'corrupt') return undefined;
  throw found;
}
