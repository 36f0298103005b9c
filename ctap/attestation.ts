// Attestation: what a new credential tells about the authenticator it is in. By default nothing but its model: packed
// self attestation. A certificate is a handle to recognise this installation by, so it takes a decision of its owner.
// WebAuthn §8.2, §8.6, §8.7; CTAP 2.2 §6.1.2 steps 9 and 19.

import { concatBytes } from '@noble/hashes/utils.js';
import type { Call } from './call.ts';
import type { CborMap, CborValue } from './cbor.ts';
import type { AttestationKey, CoseAlgorithm, Environment, KeyPair } from './env.ts';
import type { Policy } from './policy.ts';
import { CtapError } from './status.ts';
import { CoseAlg } from './wire.ts';

export type AttestationFormat = 'packed' | 'fido-u2f' | 'none';

/** A new credential, and what is signed about it. */
export interface Attested extends KeyPair {
  readonly algorithm: CoseAlgorithm;
  readonly id: Uint8Array;
  readonly rpIdHash: Uint8Array;
  readonly authData: Uint8Array;
  readonly clientDataHash: Uint8Array;
}

/**
 * Whether the request may have an attestation that identifies this one device: 1 asks for the relying parties of the
 * policy (vendor-facilitated), 2 leaves the choice to the platform (platform-managed). CTAP 2.1 §6.1.2 step 9.
 * @throws CtapError INVALID_PARAMETER if that is not to be had here or not enabled, INVALID_OPTION for another number.
 */
export function grantsEnterpriseAttestation(
  { environment, policy }: Call,
  enterpriseAttestation: number | undefined,
  rpId: string,
): boolean {
  if (enterpriseAttestation === undefined) return false;
  const enabled = environment.enterpriseAttestation && environment.vault.device.enterpriseAttestation;
  if (!enabled) throw new CtapError('INVALID_PARAMETER');
  if (enterpriseAttestation === 1) return policy.enterpriseRpIds.includes(rpId);
  if (enterpriseAttestation === 2) return true;
  throw new CtapError('INVALID_OPTION');
}

/** The formats of this authenticator, the default first. */
export function attestationFormats(policy: Policy, environment: Environment): readonly AttestationFormat[] {
  const packed: readonly AttestationFormat[] = environment.attestation ? ['packed', 'fido-u2f'] : ['packed'];
  return policy.attestsByDefault ? [...packed, 'none'] : ['none', ...packed];
}

/**
 * The supported format that stands first in attestationFormatsPreference, otherwise the default. U2F knows no other
 * algorithm than ES256, and enterprise attestation no format but packed; `none` can always be had.
 */
export function chooseAttestationFormat(
  supported: readonly AttestationFormat[],
  preference: readonly string[] | undefined,
  algorithm: CoseAlgorithm,
  isEnterprise: boolean,
): AttestationFormat {
  const possible = supported.filter(
    (format) => format !== 'fido-u2f' || (algorithm === CoseAlg.ES256 && !isEnterprise),
  );
  for (const wanted of preference ?? []) {
    const format = possible.find((name) => name === wanted);
    if (format) return format;
  }
  return isEnterprise ? 'packed' : (possible[0] ?? 'none');
}

/** The AAGUID of a registration. U2F knows no models, and relying parties insist on zeros. docs/spec-decisions.md. */
export function attestedAaguid(format: AttestationFormat, policy: Policy): Uint8Array {
  return format === 'fido-u2f' ? new Uint8Array(16) : policy.aaguid;
}

/** The attStmt map: signed under the certificate of `key`, or else, as self attestation, by the credential itself. */
export function attestationStatement(
  format: AttestationFormat,
  { crypto }: Environment,
  key: AttestationKey | undefined,
  attested: Attested,
): CborMap {
  if (format === 'none') return new Map();
  const { algorithm, authData, clientDataHash } = attested;
  if (format === 'fido-u2f' && key) {
    const { rpIdHash, id, publicKey } = attested;
    const signed = concatBytes(Uint8Array.of(0x00), rpIdHash, clientDataHash, id, publicKey);
    return new Map<string, CborValue>([
      ['sig', key.sign(signed)],
      ['x5c', key.certificates.slice(0, 1)],
    ]);
  }
  const signed = concatBytes(authData, clientDataHash);
  if (!key) {
    return new Map<string, CborValue>([
      ['alg', algorithm],
      ['sig', crypto.sign(algorithm, attested, signed)],
    ]);
  }
  return new Map<string, CborValue>([
    ['alg', CoseAlg.ES256],
    ['sig', key.sign(signed)],
    ['x5c', key.certificates],
  ]);
}
