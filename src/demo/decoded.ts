// What a relying party learns from a registration or a sign-in, decoded for people and tests to look at.

import { decodeCredentialPublicKey, parseAuthenticatorData } from '@simplewebauthn/server/helpers';

/** The flags of authenticator data. WebAuthn §6.1. */
export interface DecodedFlags {
  readonly up: boolean;
  readonly uv: boolean;
  readonly be: boolean;
  readonly bs: boolean;
  readonly at: boolean;
  readonly ed: boolean;
}

/** The answer of both verify endpoints. Ids and bytes are base64url, the AAGUID has its usual dashes. */
export interface Decoded {
  readonly verified: true;
  readonly userName: string;
  readonly credentialId: string;
  readonly fmt: string;
  readonly aaguid: string;
  readonly flags: DecodedFlags;
  readonly signCount: number;
  /** COSE number; `algorithmName` is its registered name, or the number again. */
  readonly algorithm: number;
  readonly algorithmName: string;
  /** What the client said at registration (credProps.rk); left out if it did not say. */
  readonly discoverable?: boolean;
  readonly transports: readonly string[];
  readonly origin: string;
  readonly rpId: string;
  /** The raw bytes that were verified, base64url. */
  readonly authenticatorData: string;
}

export interface DecodedRegistration extends Decoded {
  /** `self`: signed by the new key itself; `certificate`: by an attestation key; `none`: not at all. */
  readonly attestation: 'none' | 'self' | 'certificate';
}

export interface DecodedSignIn extends Decoded {
  /** The count that this one had to exceed. */
  readonly previousSignCount: number;
  /** Whether the key, not the person, named the account. */
  readonly withoutUserName: boolean;
}

const algorithmNames: Readonly<Record<number, string>> = {
  [-7]: 'ES256',
  [-8]: 'EdDSA',
  [-35]: 'ES384',
  [-36]: 'ES512',
  [-48]: 'ML-DSA-44',
  [-257]: 'RS256',
};

/** The registered name of a COSE algorithm number, or the number itself. */
export function algorithmName(algorithm: number): string {
  return algorithmNames[algorithm] ?? String(algorithm);
}

/** Flags and signature counter of authenticator data (base64url). */
export function decodeFlags(authenticatorData: string): { flags: DecodedFlags; signCount: number } {
  const { flags, counter } = parseAuthenticatorData(new Uint8Array(Buffer.from(authenticatorData, 'base64url')));
  const { up, uv, be, bs, at, ed } = flags;
  return { flags: { up, uv, be, bs, at, ed }, signCount: counter };
}

/** The algorithm of an encoded COSE_Key. */
export function algorithmOf(publicKey: Uint8Array<ArrayBuffer>): number {
  return Number(decodeCredentialPublicKey(publicKey).get(3));
}
