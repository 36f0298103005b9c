// The authenticator's identity, limits and timeouts: everything that is a choice and not a rule of the specification.

import type { CoseAlgorithm, CredentialKind } from './env.ts';
import { CoseAlg, Extension, type ExtensionName } from './wire.ts';

export interface Policy {
  /** Model identifier, 16 bytes; the same in getInfo and in authenticator data. */
  readonly aaguid: Uint8Array;
  /** Above 0; getInfo 0x0E. */
  readonly firmwareVersion: number;
  /** Bytes of one CTAP message, command byte included; 1024 to 7609. getInfo 0x05. */
  readonly maxMsgSize: number;
  /** Elements of an allowList or excludeList. getInfo 0x07. */
  readonly maxCredentialCountInList: number;
  /** Bytes; our own ids are shorter, so that they also serve as U2F key handles (255). getInfo 0x08. */
  readonly maxCredentialIdLength: number;
  /** What a relying party may ask for, whether it is advertised or not. */
  readonly algorithms: readonly CoseAlgorithm[];
  /** The ones that getInfo names (0x0A), most preferred first. */
  readonly advertisedAlgorithms: readonly CoseAlgorithm[];
  /** Whether registrations bear an attestation where the client does not say; otherwise the format is `none`. */
  readonly attestsByDefault: boolean;
  /** RP IDs that may ask for vendor-facilitated enterprise attestation. CTAP 2.1 §7.1. */
  readonly enterpriseRpIds: readonly string[];
  /** What new credentials become, instead of what was chosen for the vault. */
  readonly credentialKind: CredentialKind | undefined;
  /** The same by RP ID, which goes before. */
  readonly credentialKindOf: ReadonlyMap<string, CredentialKind>;
  /** How long a person may think. CTAP asks for 10 s at least; 30 s is what platforms expect. */
  readonly userPresenceTimeoutMs: number;
  /** getNextAssertion must follow within this time. CTAP 2.1 §6.3. */
  readonly nextAssertionTimeoutMs: number;
  /** authenticatorReset is only taken this long after power-up. CTAP 2.1 §6.6. */
  readonly resetWindowMs: number;
  /** How long a U2F request waits for a touch before the host is told to ask again. */
  readonly u2fWaitMs: number;
  /** How long a touch given to a U2F request waits for the host's next poll. */
  readonly u2fTouchMs: number;
  /** UTF-8 bytes kept of rp.name, user.name and user.displayName; at least 64. WebAuthn §6.4.1. */
  readonly maxNameBytes: number;
  /**
   * Those that are on; always hmac-secret and credProtect, which CTAP 2.1 §9 insists on. What goes with an extension goes
   * away with it: largeBlobKey has authenticatorLargeBlobs, minPinLength has setMinPINLength. getInfo 0x02.
   */
  readonly extensions: readonly ExtensionName[];
  /** Bytes; at least 32. getInfo 0x0F. */
  readonly maxCredBlobLength: number;
  /** Bytes, its hash included; more than 1024. getInfo 0x0B. */
  readonly maxSerializedLargeBlobArray: number;
  /** Pieces of a large-blob array must follow one another within this time. CTAP 2.1 §6. */
  readonly largeBlobWriteTimeoutMs: number;
  /** getInfo 0x14 counts down from here. */
  readonly maxDiscoverableCredentials: number;
  /** Unicode code points; 8 to 63. getInfo 0x1D. */
  readonly maxPINLength: number;
  /** RP IDs that setMinPINLength takes. getInfo 0x10. */
  readonly maxRPIDsForSetMinPINLength: number;
  /** How often a platform tries built-in user verification before it asks for the PIN; above 0. getInfo 0x11. */
  readonly preferredPlatformUvAttempts: number;
  /** The next step of an enumeration of authenticatorCredentialManagement must follow within this time. CTAP 2.1 §6. */
  readonly enumerationTimeoutMs: number;
}

const { ES256, EdDSA, ES384, ES512, ES256K, 'ML-DSA-44': mlDsa44, 'ML-DSA-65': mlDsa65 } = CoseAlg;
const allAlgorithms = [ES256, EdDSA, ES384, ES512, ES256K, mlDsa44, mlDsa65];

/**
 * How much a key shows of what it can do; it makes every algorithm all the same, if one comes that it does not name.
 * `compatible`: the algorithms that every client in use accepts and some insist on; some fail on a getInfo that names
 * one they do not know. `full`: everything. docs/spec-decisions.md.
 */
export const profiles = {
  compatible: { advertisedAlgorithms: [ES256, EdDSA, ES384] },
  full: { advertisedAlgorithms: allAlgorithms },
} as const satisfies Record<string, Partial<Policy>>;

export type Profile = keyof typeof profiles;

export const defaultPolicy: Policy = Object.freeze({
  // Random, made once for passfob: f09a41a5-2352-4e64-8438-a09860401cfb
  aaguid: Uint8Array.of(0xf0, 0x9a, 0x41, 0xa5, 0x23, 0x52, 0x4e, 0x64, 0x84, 0x38, 0xa0, 0x98, 0x60, 0x40, 0x1c, 0xfb),
  firmwareVersion: 1,
  maxMsgSize: 7609,
  maxCredentialCountInList: 64,
  maxCredentialIdLength: 255,
  algorithms: allAlgorithms,
  ...profiles.compatible,
  attestsByDefault: true,
  enterpriseRpIds: [],
  credentialKind: undefined,
  credentialKindOf: new Map(),
  userPresenceTimeoutMs: 30_000,
  nextAssertionTimeoutMs: 30_000,
  resetWindowMs: 10_000,
  u2fWaitMs: 200,
  u2fTouchMs: 3_000,
  maxNameBytes: 256,
  extensions: Object.values(Extension),
  maxCredBlobLength: 64,
  maxSerializedLargeBlobArray: 16_384,
  largeBlobWriteTimeoutMs: 30_000,
  maxDiscoverableCredentials: 1_000_000,
  maxPINLength: 63,
  maxRPIDsForSetMinPINLength: 32,
  preferredPlatformUvAttempts: 3,
  enumerationTimeoutMs: 30_000,
});
