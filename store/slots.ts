// Slots: each wraps the same random root key, under a key of its own that something outside the vault gives back. A slot
// is a CBOR map; what this version does not know of it is kept. Pure; the layout is in docs/store-format.md.

import { hkdfSync, randomBytes } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { bytes, type CborKey, type CborValue, encodeCbor, MapReader, text, unsigned } from '../ctap/cbor.ts';
import { VaultError } from './vault-error.ts';

export const slotField = {
  kind: 1,
  wrappedKey: 2,
  salt: 3,
  scryptLogN: 4,
  scryptR: 5,
  scryptP: 6,
  id: 7,
  publicKey: 8,
  ephemeralKey: 9,
  createdAt: 10,
  label: 11,
  sealedSecret: 12,
} as const;

/** The kinds of slots that this version can open. */
export const slotKinds = ['passphrase', 'key-file', 'recovery-phrase', 'keyring', 'systemd-creds'] as const;

/** `randomBytes`, or what stands for it in a test. */
type Random = (length: number) => Uint8Array;

const nonceBytes = 24;
const wrapLabel = 'passfob vault 2: wrap root key';
const rekeyLabel = 'passfob vault 2: wrap root key by rekeying';
const keyPairLabel = 'passfob vault 2: key pair of a slot';

/** A slot as it stands in the header; members that are unknown here belong to other versions. */
export type Slot = ReadonlyMap<CborKey, CborValue>;

/** What may be known of a slot without opening it. */
export interface SlotInfo {
  /** 8 hexadecimal digits. */
  readonly id: string;
  /** One of `slotKinds`, or a kind of a later version. */
  readonly kind: string;
  readonly label: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Of `systemd-creds`: the slot's secret, as systemd sealed it. */
  readonly sealedSecret: Uint8Array | undefined;
}

export function slotInfo(slot: Slot): SlotInfo {
  const members = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE');
  return {
    id: slotId(slot),
    kind: members.required(slotField.kind, text),
    label: members.optional(slotField.label, text),
    createdAt: members.required(slotField.createdAt, unsigned),
    sealedSecret: members.optional(slotField.sealedSecret, bytes),
  };
}

export function slotId(slot: Slot): string {
  return Buffer.from(new MapReader(slot, 'CBOR_UNEXPECTED_TYPE').required(slotField.id, bytes)).toString('hex');
}

/** The slot around this root key (32 bytes), under the slot's own key (32 bytes). */
export function wrapRootKey(slot: Slot, slotKey: Uint8Array, rootKey: Uint8Array, random: Random = randomBytes): Slot {
  const privateKey = derive(slotKey, keyPairLabel);
  const plain = new Map(slot).set(slotField.publicKey, x25519.getPublicKey(privateKey));
  privateKey.fill(0);
  plain.delete(slotField.ephemeralKey);
  return wrap(plain, derive(slotKey, wrapLabel), rootKey, random);
}

/** The slot around a new root key, without the slot's own key: for whoever has the private half of its key pair. */
export function rewrapRootKey(slot: Slot, rootKey: Uint8Array, random: Random = randomBytes): Slot {
  const publicKey = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE').required(slotField.publicKey, bytes);
  const secret = Uint8Array.from(random(32));
  const ephemeralKey = x25519.getPublicKey(secret);
  const shared = x25519.getSharedSecret(secret, publicKey);
  const wrappingKey = derive(shared, rekeyLabel, Buffer.concat([ephemeralKey, publicKey]));
  for (const wiped of [secret, shared]) wiped.fill(0);
  return wrap(new Map(slot).set(slotField.ephemeralKey, ephemeralKey), wrappingKey, rootKey, random);
}

/** Whether the slot was wrapped by a rekeying and not yet by its own key again. */
export function isRewrapped(slot: Slot): boolean {
  return slot.has(slotField.ephemeralKey);
}

/** The root key (32 bytes, the caller wipes it); undefined if the key is not the slot's. */
export function unwrapRootKey(slot: Slot, slotKey: Uint8Array): Uint8Array | undefined {
  return unwrap(slot, wrapLabel, () => {
    const members = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE');
    const ephemeralKey = members.optional(slotField.ephemeralKey, bytes);
    if (!ephemeralKey) return derive(slotKey, wrapLabel);
    return agreedKey(slotKey, ephemeralKey, members.required(slotField.publicKey, bytes));
  });
}

function agreedKey(slotKey: Uint8Array, ephemeralKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const privateKey = derive(slotKey, keyPairLabel);
  const shared = x25519.getSharedSecret(privateKey, ephemeralKey);
  const agreed = derive(shared, rekeyLabel, Buffer.concat([ephemeralKey, publicKey]));
  for (const wiped of [privateKey, shared]) wiped.fill(0);
  return agreed;
}

function wrap(slot: Map<CborKey, CborValue>, wrappingKey: Uint8Array, rootKey: Uint8Array, random: Random): Slot {
  const nonce = random(nonceBytes);
  const wrapped = xchacha20poly1305(wrappingKey, nonce, associated(slot, wrapLabel)).encrypt(rootKey);
  wrappingKey.fill(0);
  return slot.set(slotField.wrappedKey, Uint8Array.from(Buffer.concat([nonce, wrapped])));
}

/** The inverse of wrapping, under any label; undefined if the key is another one, or cannot be made. */
export function unwrap(slot: Slot, label: string, makeKey: () => Uint8Array): Uint8Array | undefined {
  let wrappingKey: Uint8Array | undefined;
  try {
    wrappingKey = makeKey();
    const wrapped = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE').required(slotField.wrappedKey, bytes);
    const cipher = xchacha20poly1305(wrappingKey, wrapped.subarray(0, nonceBytes), associated(slot, label));
    return cipher.decrypt(wrapped.subarray(nonceBytes));
  } catch {
    return undefined;
  } finally {
    wrappingKey?.fill(0);
  }
}

/**
 * Checks what a header says about a slot before any work is done for it.
 * @throws CtapError if a member is missing or of another type; VaultError `corrupt` if a length or a cost is out of bounds.
 */
export function checkSlot(slot: Slot): void {
  const members = new MapReader(slot, 'CBOR_UNEXPECTED_TYPE');
  members.required(slotField.createdAt, unsigned);
  for (const [field, length] of [
    [slotField.id, 4],
    [slotField.publicKey, 32],
    [slotField.wrappedKey, nonceBytes + 32 + 16],
  ] as const) {
    if (members.required(field, bytes).length !== length) throw outOfBounds(`member ${field} is not ${length} bytes`);
  }
  checkKind(members);
}

/** What each kind needs; a slot of an unknown kind needs nothing more. */
export function checkKind(members: MapReader): void {
  const kind = members.required(slotField.kind, text);
  if (!slotKinds.some((known) => known === kind)) return;
  members.required(slotField.salt, bytes);
  if (kind !== 'passphrase') return;
  const logN = members.required(slotField.scryptLogN, unsigned);
  const r = members.required(slotField.scryptR, unsigned);
  const p = members.required(slotField.scryptP, unsigned);
  // 2^20 with r = 8 takes 1 GiB: beyond it a header is a trap, not a choice.
  if (logN < 1 || logN > 20 || r !== 8 || p < 1 || p > 16) throw outOfBounds(`scrypt 2^${logN}, ${r}, ${p}`);
}

function outOfBounds(what: string): VaultError {
  return new VaultError('corrupt', `a slot is out of bounds: ${what}`);
}

/** All of a slot but the wrapped key: a changed parameter must not pass for a wrong passphrase's work. */
function associated(slot: Slot, label: string): Uint8Array {
  const parameters = new Map(slot);
  parameters.delete(slotField.wrappedKey);
  return Buffer.concat([Buffer.from(label, 'ascii'), encodeCbor(parameters)]);
}

function derive(key: Uint8Array, label: string, salt: Uint8Array = new Uint8Array()): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, salt, label, 32));
}
