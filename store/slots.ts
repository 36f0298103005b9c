// Ways to unlock: every slot wraps the same random root key. Today there is one kind, a passphrase through scrypt.
// A slot is a CBOR map; slots of kinds that this version does not know are kept and passed over.

import { randomBytes, type ScryptOptions, scrypt } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { bytes, type CborKey, type CborValue, encodeCbor, MapReader, text, unsigned } from '../ctap/cbor.ts';
import { VaultError } from './vault-error.ts';

const slotField = { kind: 1, wrappedKey: 2, salt: 3, scryptLogN: 4, scryptR: 5, scryptP: 6 } as const;

const nonceBytes = 24;
const wrapLabel = Buffer.from('passfob vault 1: wrap root key', 'ascii');

/** A slot as it stands in the header; members that are unknown here belong to other versions. */
export type Slot = ReadonlyMap<CborKey, CborValue>;

/** What opens a slot. The text is normalised to NFC: keyboards differ in how they compose letters. */
export interface Unlock {
  readonly passphrase: string;
}

/** N = 2^17, r = 8, p = 1: half a second and 128 MiB, once per unlock. */
const defaultScryptLogN = 17;

/** Makes a passphrase slot around the root key (32 bytes). */
export async function createPassphraseSlot(
  rootKey: Uint8Array,
  passphrase: string,
  scryptLogN = defaultScryptLogN,
  random: (length: number) => Uint8Array = randomBytes,
): Promise<Slot> {
  const slot = new Map<CborKey, CborValue>([
    [slotField.kind, 'passphrase'],
    [slotField.salt, Uint8Array.from(random(32))],
    [slotField.scryptLogN, scryptLogN],
    [slotField.scryptR, 8],
    [slotField.scryptP, 1],
  ]);
  const nonce = random(nonceBytes);
  const wrappingKey = await stretch(slot, passphrase);
  const wrapped = xchacha20poly1305(wrappingKey, nonce, associated(slot)).encrypt(rootKey);
  wrappingKey.fill(0);
  return slot.set(slotField.wrappedKey, Uint8Array.from(Buffer.concat([nonce, wrapped])));
}

/**
 * Tries the slots in turn and returns the root key (32 bytes, the caller wipes it).
 * @throws VaultError `wrong-passphrase` if no slot opens.
 */
export async function openSlots(slots: readonly Slot[], unlock: Unlock): Promise<Uint8Array> {
  for (const slot of slots) {
    if (slot.get(slotField.kind) !== 'passphrase') continue;
    const wrappingKey = await stretch(slot, unlock.passphrase);
    const wrapped = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE').required(slotField.wrappedKey, bytes);
    try {
      const cipher = xchacha20poly1305(wrappingKey, wrapped.subarray(0, nonceBytes), associated(slot));
      return cipher.decrypt(wrapped.subarray(nonceBytes));
    } catch {
      // Not this slot's passphrase; another slot may have it.
    } finally {
      wrappingKey.fill(0);
    }
  }
  throw new VaultError('wrong-passphrase', 'the passphrase does not open the vault');
}

/**
 * Checks what a header says about a slot before any work is done for it.
 * @throws CtapError if a member is missing or of another type; VaultError `corrupt` if the cost is out of bounds.
 */
export function checkSlot(slot: Slot): void {
  const members = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE');
  if (members.required(slotField.kind, text) !== 'passphrase') return;
  members.required(slotField.wrappedKey, bytes);
  members.required(slotField.salt, bytes);
  const logN = members.required(slotField.scryptLogN, unsigned);
  const r = members.required(slotField.scryptR, unsigned);
  const p = members.required(slotField.scryptP, unsigned);
  // 2^20 with r = 8 takes 1 GiB: beyond it a header is a trap, not a choice.
  if (logN < 1 || logN > 20 || r !== 8 || p < 1 || p > 16) {
    throw new VaultError('corrupt', `a slot asks for scrypt 2^${logN}, ${r}, ${p}, which is out of bounds`);
  }
}

async function stretch(slot: Slot, passphrase: string): Promise<Uint8Array> {
  const members = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE');
  const N = 2 ** members.required(slotField.scryptLogN, unsigned);
  const r = members.required(slotField.scryptR, unsigned);
  const p = members.required(slotField.scryptP, unsigned);
  const password = Buffer.from(passphrase.normalize('NFC'), 'utf8');
  try {
    return await scryptAsync(password, members.required(slotField.salt, bytes), 32, {
      N,
      r,
      p,
      maxmem: 256 * N * r + 2 ** 20,
    });
  } finally {
    password.fill(0);
  }
}

function scryptAsync(
  password: Uint8Array,
  salt: Uint8Array,
  length: number,
  options: ScryptOptions,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

/** All of a slot but the wrapped key: a changed parameter must not pass for a wrong passphrase's work. */
function associated(slot: Slot): Uint8Array {
  const parameters = new Map(slot);
  parameters.delete(slotField.wrappedKey);
  return Buffer.concat([wrapLabel, encodeCbor(parameters)]);
}
