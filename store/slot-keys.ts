// From what a person or a machine gives to the key of a slot: scrypt for a passphrase, HKDF for what is random already.

import { hkdfSync, randomBytes, type ScryptOptions, scrypt } from 'node:crypto';
import { bytes, type CborKey, type CborValue, MapReader, text, unsigned } from '../ctap/cbor.ts';
import { decodeRecoveryPhrase } from './recovery-phrase.ts';
import { type Slot, slotField, slotId } from './slots.ts';
import { VaultError } from './vault-error.ts';

/** What opens a vault. A passphrase is normalised to NFC: keyboards differ in how they compose letters. */
export type Unlock =
  | { readonly passphrase: string }
  | { readonly recoveryPhrase: string }
  /** The content of the file. */
  | { readonly keyFile: Uint8Array }
  /** A random secret that something keeps for the slot with this id. */
  | { readonly secret: Uint8Array; readonly of: string };

/** What a new slot shall open with. */
export type NewSlot =
  | { readonly passphrase: string }
  | { readonly recoveryPhrase: string }
  | { readonly keyFile: Uint8Array }
  /** 32 random bytes in the desktop's keyring, under `id` (from `newSlotId`). */
  | { readonly keyring: { readonly id: string; readonly secret: Uint8Array } }
  /** 32 random bytes, and how `systemd-creds` sealed them. */
  | { readonly systemdCreds: { readonly id: string; readonly secret: Uint8Array; readonly sealed: Uint8Array } };

export interface SlotOptions {
  /** A name for people. */
  readonly label?: string;
  /** Cost of a passphrase: scrypt with N = 2^scryptLogN. */
  readonly scryptLogN?: number;
}

/** N = 2^17, r = 8, p = 1: half a second and 128 MiB, once per unlock. */
export const defaultScryptLogN = 17;

/** A new id: 8 hexadecimal digits. */
export function newSlotId(): string {
  return randomBytes(4).toString('hex');
}

/** A slot that wraps nothing yet, and its key (32 bytes, the caller wipes it). */
export async function draftSlot(
  newSlot: NewSlot,
  { label, scryptLogN = defaultScryptLogN }: SlotOptions,
): Promise<{ draft: Slot; slotKey: Uint8Array }> {
  const { kind, id, unlock } = describe(newSlot);
  const draft = new Map<CborKey, CborValue>([
    [slotField.kind, kind],
    [slotField.salt, Uint8Array.from(randomBytes(32))],
    [slotField.id, Uint8Array.from(Buffer.from(id, 'hex'))],
    [slotField.createdAt, Date.now()],
  ]);
  if (label !== undefined) draft.set(slotField.label, label);
  if ('systemdCreds' in newSlot) draft.set(slotField.sealedSecret, newSlot.systemdCreds.sealed);
  if ('passphrase' in unlock) setCost(draft, scryptLogN);
  const slotKey = await slotKeyOf(draft, unlock);
  if (!slotKey) throw new TypeError(`a ${kind} slot does not fit its own key`);
  return { draft, slotKey };
}

/** The slot anew under a higher cost, if it is a passphrase's below that cost. */
export async function raiseCost(
  slot: Slot,
  unlock: Unlock,
  scryptLogN: number,
): Promise<{ draft: Slot; slotKey: Uint8Array } | undefined> {
  const logN = slot.get(slotField.scryptLogN);
  if (typeof logN !== 'number' || logN >= scryptLogN) return undefined;
  const draft = setCost(new Map(slot), scryptLogN).set(slotField.salt, Uint8Array.from(randomBytes(32)));
  const slotKey = await slotKeyOf(draft, unlock);
  return slotKey && { draft, slotKey };
}

function setCost(slot: Map<CborKey, CborValue>, scryptLogN: number): Map<CborKey, CborValue> {
  return slot.set(slotField.scryptLogN, scryptLogN).set(slotField.scryptR, 8).set(slotField.scryptP, 1);
}

function describe(newSlot: NewSlot): { kind: string; id: string; unlock: Unlock } {
  if ('keyring' in newSlot) {
    const { id, secret } = newSlot.keyring;
    return { kind: 'keyring', id, unlock: { secret, of: id } };
  }
  if ('systemdCreds' in newSlot) {
    const { id, secret } = newSlot.systemdCreds;
    return { kind: 'systemd-creds', id, unlock: { secret, of: id } };
  }
  return { kind: kindOf(newSlot), id: newSlotId(), unlock: newSlot };
}

function kindOf(unlock: Exclude<Unlock, { secret: Uint8Array }>): string {
  if ('passphrase' in unlock) return 'passphrase';
  return 'keyFile' in unlock ? 'key-file' : 'recovery-phrase';
}

/**
 * The key that `unlock` gives for this slot (32 bytes); undefined if the slot is of another kind. Whether it is the right
 * one shows when it unwraps the root key.
 * @throws VaultError `wrong-phrase` if words cannot be a recovery phrase.
 */
export async function slotKeyOf(slot: Slot, unlock: Unlock): Promise<Uint8Array | undefined> {
  const kind = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE').required(slotField.kind, text);
  if ('secret' in unlock) return slotId(slot) === unlock.of ? derive(slot, kind, unlock.secret) : undefined;
  if (kind !== kindOf(unlock)) return undefined;
  if ('passphrase' in unlock) return stretch(slot, unlock.passphrase);
  if ('keyFile' in unlock) return derive(slot, kind, unlock.keyFile);
  const entropy = await decodeRecoveryPhrase(unlock.recoveryPhrase);
  try {
    return derive(slot, kind, entropy);
  } finally {
    entropy.fill(0);
  }
}

/** What to say if `unlock` opened no slot. */
export function refusal(unlock: Unlock): VaultError {
  if ('passphrase' in unlock) return new VaultError('wrong-passphrase', 'the passphrase does not open the vault');
  if ('recoveryPhrase' in unlock) {
    return new VaultError('wrong-phrase', 'the recovery phrase does not open the vault', {
      hint: 'its words are in order, but belong to another vault, or their slot was removed',
    });
  }
  if ('keyFile' in unlock) return new VaultError('wrong-key', 'the key file does not open the vault');
  return new VaultError('wrong-key', `the secret of slot ${unlock.of} does not open the vault`);
}

function derive(slot: Slot, kind: string, secret: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, saltOf(slot), `passfob vault 2: key of a ${kind} slot`, 32));
}

function saltOf(slot: Slot): Uint8Array {
  return new MapReader(slot, 'CBOR_UNEXPECTED_TYPE').required(slotField.salt, bytes);
}

async function stretch(slot: Slot, passphrase: string): Promise<Uint8Array> {
  const members = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE');
  const N = 2 ** members.required(slotField.scryptLogN, unsigned);
  const r = members.required(slotField.scryptR, unsigned);
  const p = members.required(slotField.scryptP, unsigned);
  const password = Buffer.from(passphrase.normalize('NFC'), 'utf8');
  try {
    return await scryptAsync(password, saltOf(slot), 32, { N, r, p, maxmem: 256 * N * r + 2 ** 20 });
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
