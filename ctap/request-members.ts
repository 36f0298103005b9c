// Members that several commands have in common: the client data hash, credential descriptors and lists of them
// (excludeList, allowList), user entities and names. CTAP 2.1 §6.1, §6.2, §6.8; WebAuthn §5.4, §5.8.3.

import { utf8ToBytes } from '@noble/hashes/utils.js';
import { arrayOf, bytes, type CborKey, type MapReader, map, text } from './cbor.ts';
import type { UserEntity } from './env.ts';
import { CtapError } from './status.ts';

/**
 * SHA-256 of the client data; 32 bytes.
 * @throws CtapError MISSING_PARAMETER, CBOR_UNEXPECTED_TYPE; INVALID_PARAMETER for another length.
 */
export function readClientDataHash(parameters: MapReader, key: CborKey): Uint8Array {
  const clientDataHash = parameters.required(key, bytes);
  if (clientDataHash.length !== 32) throw new CtapError('INVALID_PARAMETER');
  return clientDataHash;
}

/**
 * The ids of the list's public-key credentials, in order; undefined if the list is absent or empty. Elements of
 * another type are checked for form and skipped.
 * @throws CtapError LIMIT_EXCEEDED if the list has more than `maxCount` elements; CBOR_UNEXPECTED_TYPE.
 */
export function readCredentialIds(parameters: MapReader, key: CborKey, maxCount: number): Uint8Array[] | undefined {
  const descriptors = parameters.optional(key, arrayOf(map));
  if (!descriptors?.length) return undefined;
  if (descriptors.length > maxCount) throw new CtapError('LIMIT_EXCEEDED');
  return descriptors.map(readCredentialId).filter((id) => id !== undefined);
}

/** The id in a credential descriptor; undefined if it is of another type than public-key. @throws CBOR_UNEXPECTED_TYPE. */
export function readCredentialId(descriptor: MapReader): Uint8Array | undefined {
  const id = descriptor.required('id', bytes);
  descriptor.optional('transports', arrayOf(text));
  return descriptor.required('type', text) === 'public-key' ? id : undefined;
}

/**
 * A user entity with its names cut to `maxNameBytes`. WebAuthn §5.4.3, §6.4.1.
 * @throws CtapError CBOR_UNEXPECTED_TYPE; INVALID_LENGTH for an id that is empty or longer than 64 bytes.
 */
export function readUser(user: MapReader, maxNameBytes: number): UserEntity {
  const id = user.required('id', bytes);
  if (id.length < 1 || id.length > 64) throw new CtapError('INVALID_LENGTH');
  checkIcon(user);
  return {
    id,
    ...readName(user, 'name', 'name', maxNameBytes),
    ...readName(user, 'displayName', 'displayName', maxNameBytes),
  };
}

/** Platforms of CTAP 2.0 send one along, and nobody shows it. @throws CtapError CBOR_UNEXPECTED_TYPE. */
export function checkIcon(entity: MapReader): void {
  entity.optional('icon', text);
}

/** A name under `key` of an entity, cut to `maxBytes`, as the member `as`; nothing if the entity has none, or an empty one. */
export function readName<Name extends string>(
  entity: MapReader,
  key: string,
  as: Name,
  maxBytes: number,
): { [name in Name]?: string } {
  const name = entity.optional(key, text);
  return name === undefined || name === '' ? {} : ({ [as]: truncate(name, maxBytes) } as { [name in Name]: string });
}

/** The longest beginning of at most `maxBytes` bytes of UTF-8 that does not cut a code point. WebAuthn §6.4.1. */
export function truncate(name: string, maxBytes: number): string {
  let [length, end] = [0, 0];
  for (const character of name) {
    length += utf8ToBytes(character).length;
    if (length > maxBytes) return name.slice(0, end);
    end += character.length;
  }
  return name;
}
