// What a key says about itself: the answer to authenticatorGetInfo, decoded. CTAP 2.1 §6.4, with the members that
// CTAP 2.2 and 2.3 added. Members that no version defines are left out.

import {
  arrayOf,
  boolean,
  bytes,
  decodeParameters,
  integer,
  map,
  type Shape,
  text,
  unsigned,
} from '../../ctap/cbor.ts';
import { GetInfoResponse as Key } from '../../ctap/wire.ts';

/** Absent members are undefined; the specification's defaults are not filled in, except for `maxMsgSize`. */
export interface AuthenticatorInfo {
  readonly versions: readonly string[];
  readonly extensions: readonly string[] | undefined;
  /** 16 bytes. */
  readonly aaguid: Uint8Array;
  /** By option id; an absent one often means something else than false. CTAP 2.1 §6.4. */
  readonly options: ReadonlyMap<string, boolean>;
  readonly maxMsgSize: number;
  readonly pinUvAuthProtocols: readonly number[] | undefined;
  readonly maxCredentialCountInList: number | undefined;
  readonly maxCredentialIdLength: number | undefined;
  readonly transports: readonly string[] | undefined;
  readonly algorithms: readonly { readonly type: string; readonly alg: number }[] | undefined;
  readonly maxSerializedLargeBlobArray: number | undefined;
  readonly forcePINChange: boolean | undefined;
  readonly minPINLength: number | undefined;
  readonly firmwareVersion: number | undefined;
  readonly maxCredBlobLength: number | undefined;
  readonly maxRPIDsForSetMinPINLength: number | undefined;
  readonly preferredPlatformUvAttempts: number | undefined;
  readonly uvModality: number | undefined;
  readonly certifications: ReadonlyMap<string, number> | undefined;
  readonly remainingDiscoverableCredentials: number | undefined;
  readonly vendorPrototypeConfigCommands: readonly number[] | undefined;
  readonly attestationFormats: readonly string[] | undefined;
  readonly uvCountSinceLastPinEntry: number | undefined;
  readonly longTouchForReset: boolean | undefined;
  readonly encIdentifier: Uint8Array | undefined;
  readonly transportsForReset: readonly string[] | undefined;
  readonly pinComplexityPolicy: boolean | undefined;
  /** On the wire a byte string of UTF-8. */
  readonly pinComplexityPolicyURL: string | undefined;
  readonly maxPINLength: number | undefined;
  readonly encCredStoreState: Uint8Array | undefined;
  readonly authenticatorConfigCommands: readonly number[] | undefined;
}

/** The size of a message that every key takes. CTAP 2.1 §6.4. */
const defaultMaxMsgSize = 1024;

const algorithm: Shape<{ type: string; alg: number }> = (value) => {
  const member = map(value);
  return { type: member.required('type', text), alg: member.required('alg', integer) };
};
const utf8: Shape<string> = (value) => new TextDecoder().decode(bytes(value));

/** Decodes the map that follows the status byte. @throws CtapError if it is not such a map. */
export function decodeInfo(response: Uint8Array): AuthenticatorInfo {
  const info = decodeParameters(response);
  return {
    versions: info.required(Key.versions, arrayOf(text)),
    extensions: info.optional(Key.extensions, arrayOf(text)),
    aaguid: info.required(Key.aaguid, bytes),
    options: info.optional(Key.options, mapOf(boolean)) ?? new Map(),
    maxMsgSize: info.optional(Key.maxMsgSize, unsigned) ?? defaultMaxMsgSize,
    pinUvAuthProtocols: info.optional(Key.pinUvAuthProtocols, arrayOf(unsigned)),
    maxCredentialCountInList: info.optional(Key.maxCredentialCountInList, unsigned),
    maxCredentialIdLength: info.optional(Key.maxCredentialIdLength, unsigned),
    transports: info.optional(Key.transports, arrayOf(text)),
    algorithms: info.optional(Key.algorithms, arrayOf(algorithm)),
    maxSerializedLargeBlobArray: info.optional(Key.maxSerializedLargeBlobArray, unsigned),
    forcePINChange: info.optional(Key.forcePINChange, boolean),
    minPINLength: info.optional(Key.minPINLength, unsigned),
    firmwareVersion: info.optional(Key.firmwareVersion, unsigned),
    maxCredBlobLength: info.optional(Key.maxCredBlobLength, unsigned),
    maxRPIDsForSetMinPINLength: info.optional(Key.maxRPIDsForSetMinPINLength, unsigned),
    preferredPlatformUvAttempts: info.optional(Key.preferredPlatformUvAttempts, unsigned),
    uvModality: info.optional(Key.uvModality, unsigned),
    certifications: info.optional(Key.certifications, mapOf(unsigned)),
    remainingDiscoverableCredentials: info.optional(Key.remainingDiscoverableCredentials, unsigned),
    vendorPrototypeConfigCommands: info.optional(Key.vendorPrototypeConfigCommands, arrayOf(unsigned)),
    attestationFormats: info.optional(Key.attestationFormats, arrayOf(text)),
    uvCountSinceLastPinEntry: info.optional(Key.uvCountSinceLastPinEntry, unsigned),
    longTouchForReset: info.optional(Key.longTouchForReset, boolean),
    encIdentifier: info.optional(Key.encIdentifier, bytes),
    transportsForReset: info.optional(Key.transportsForReset, arrayOf(text)),
    pinComplexityPolicy: info.optional(Key.pinComplexityPolicy, boolean),
    pinComplexityPolicyURL: info.optional(Key.pinComplexityPolicyURL, utf8),
    maxPINLength: info.optional(Key.maxPINLength, unsigned),
    encCredStoreState: info.optional(Key.encCredStoreState, bytes),
    authenticatorConfigCommands: info.optional(Key.authenticatorConfigCommands, arrayOf(unsigned)),
  };
}

/** A map whose keys are names, each value of one shape. */
function mapOf<T>(shape: Shape<T>): Shape<ReadonlyMap<string, T>> {
  return (value) => {
    map(value);
    const members = value as ReadonlyMap<unknown, Parameters<Shape<T>>[0]>;
    return new Map([...members].map(([name, member]) => [text(name as string), shape(member)]));
  };
}
