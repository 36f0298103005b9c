// The independent client as a relying party: verifies the answers to makeCredential and getAssertion as WebAuthn says.
// Whatever is not as it must be, it throws.

import { verify, X509Certificate } from 'node:crypto';
import type { Key, Value } from './cbor.ts';
import { type AuthenticatorData, parseAuthenticatorData, type Response } from './messages.ts';
import { importCoseKey, type PublicKey, sha256 } from './public-key.ts';

export interface Registration {
  readonly credentialId: Uint8Array;
  /** The member 05, of the extension largeBlobKey. */
  readonly largeBlobKey: Uint8Array | undefined;
  readonly publicKey: PublicKey;
  readonly data: AuthenticatorData;
  readonly fmt: string;
  /** Of the attestation, leaf first; none for self attestation. */
  readonly certificates: readonly X509Certificate[];
  readonly epAtt: boolean;
}

/** Verifies the answer to makeCredential as a relying party does. WebAuthn §7.1. */
export function verifyRegistration(response: Response, rpId: string, clientDataHash: Uint8Array): Registration {
  if (response.status !== 0) throw new Error(`status 0x${response.status.toString(16)}`);
  const { 1: fmt, 2: authData, 3: attStmt, 4: epAtt, ...others } = Object.fromEntries(response.members);
  const largeBlobKey = readLargeBlobKey(others, 5);
  if (!(authData instanceof Uint8Array) || !(attStmt instanceof Map)) throw new Error('members of another type');
  const data = parseAuthenticatorData(authData);
  if (!data.attested) throw new Error('no attested credential');
  if (Buffer.compare(data.rpIdHash, sha256(rpId)) !== 0) throw new Error('another relying party');
  const publicKey = importCoseKey(data.attested.coseKey);
  const certificates = attestationCertificates(attStmt);
  if (fmt === 'packed') {
    const alg = certificates ? -7 : publicKey.alg;
    if (attStmt.size !== (certificates ? 3 : 2) || attStmt.get('alg') !== alg)
      throw new Error('not packed attestation');
    verifyAttestation(certificates?.[0], publicKey, Buffer.concat([authData, clientDataHash]), attStmt.get('sig'));
  } else if (fmt === 'fido-u2f') {
    if (attStmt.size !== 2 || certificates?.length !== 1) throw new Error('not fido-u2f attestation');
    const { credentialId, coseKey } = data.attested;
    const point = Buffer.concat([Buffer.of(4), coseKey.get(-2) as Uint8Array, coseKey.get(-3) as Uint8Array]);
    const signed = Buffer.concat([Buffer.of(0), sha256(rpId), clientDataHash, credentialId, point]);
    verifyAttestation(certificates[0], publicKey, signed, attStmt.get('sig'));
  } else if (fmt !== 'none' || attStmt.size !== 0) {
    throw new Error(`attestation format ${String(fmt)}`);
  }
  const { credentialId } = data.attested;
  return { credentialId, largeBlobKey, publicKey, data, fmt, certificates: certificates ?? [], epAtt: epAtt === true };
}

function attestationCertificates(attStmt: ReadonlyMap<Key, Value>): X509Certificate[] | undefined {
  const x5c = attStmt.get('x5c');
  if (x5c === undefined) return undefined;
  return (x5c as readonly Uint8Array[]).map((der) => new X509Certificate(der));
}

/** Under the leaf's key, or, for self attestation, the credential's own. */
function verifyAttestation(
  leaf: X509Certificate | undefined,
  own: PublicKey,
  signed: Uint8Array,
  signature: Value | undefined,
): void {
  if (!(signature instanceof Uint8Array)) throw new Error('no attestation signature');
  const fits = leaf ? verify('sha256', signed, leaf.publicKey, signature) : own.verify(signed, signature);
  if (!fits) throw new Error('attestation signature does not verify');
}

export interface Assertion {
  readonly credentialId: Uint8Array;
  /** The member 07, of the extension largeBlobKey. */
  readonly largeBlobKey: Uint8Array | undefined;
  readonly data: AuthenticatorData;
  readonly user: ReadonlyMap<Key, Value> | undefined;
  readonly numberOfCredentials: number | undefined;
}

/** Verifies the answer to getAssertion as a relying party does. WebAuthn §7.2. */
export function verifyAssertion(
  response: Response,
  rpId: string,
  clientDataHash: Uint8Array,
  publicKeyOf: (credentialId: Uint8Array) => PublicKey | undefined,
): Assertion {
  if (response.status !== 0) throw new Error(`status 0x${response.status.toString(16)}`);
  const {
    1: credential,
    2: authData,
    3: signature,
    4: user,
    5: count,
    ...others
  } = Object.fromEntries(response.members);
  const largeBlobKey = readLargeBlobKey(others, 7);
  if (!(authData instanceof Uint8Array && signature instanceof Uint8Array)) throw new Error('members of another type');
  if (!(credential instanceof Map) || credential.get('type') !== 'public-key') throw new Error('no credential');
  const credentialId = credential.get('id');
  if (!(credentialId instanceof Uint8Array)) throw new Error('no credential id');
  const data = parseAuthenticatorData(authData);
  if (Buffer.compare(data.rpIdHash, sha256(rpId)) !== 0) throw new Error('another relying party');
  const publicKey = publicKeyOf(credentialId);
  if (!publicKey?.verify(Buffer.concat([authData, clientDataHash]), signature)) {
    throw new Error('assertion signature does not verify');
  }
  if (user !== undefined && !(user instanceof Map)) throw new Error('user is not a map');
  if (count !== undefined && typeof count !== 'number') throw new Error('numberOfCredentials is not a number');
  return { credentialId, largeBlobKey, data, user, numberOfCredentials: count };
}

/** Of the members that a response need not have, only this one is known. */
function readLargeBlobKey(others: Record<string, unknown>, member: number): Uint8Array | undefined {
  const { [member]: largeBlobKey, ...rest } = others;
  if (Object.keys(rest).length > 0) throw new Error('members that nobody asked for');
  if (largeBlobKey === undefined) return undefined;
  if (!(largeBlobKey instanceof Uint8Array) || largeBlobKey.length !== 32)
    throw new Error('largeBlobKey of another form');
  return largeBlobKey;
}
