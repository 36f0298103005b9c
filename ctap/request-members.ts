// Members that makeCredential and getAssertion have in common: the client data hash, and the lists of credential
// descriptors (excludeList, allowList). CTAP 2.1 §6.1, §6.2; WebAuthn §5.8.3.

import { arrayOf, bytes, type CborKey, type MapReader, map, text } from './cbor.ts';
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
  return descriptors
    .map((descriptor) => ({ id: descriptor.required('id', bytes), type: descriptor.required('type', text) }))
    .filter(({ type }) => type === 'public-key')
    .map(({ id }) => id);
}
