// The relying-party libraries that real sites use, as referees of registrations and sign-ins.

import { server as passwordless } from '@passwordless-id/webauthn';
import { SettingsService, verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';
import { Fido2Lib } from 'fido2-lib';
import { type Changes, descriptor, type Key } from './key.ts';
import * as platform from './platform.ts';

const origin = 'https://example.org';
const rpId = 'example.org';
const challenge = Buffer.alloc(32, 7);

/** A registration as a browser hands it to a page. */
export interface BrowserRegistration {
  readonly id: Uint8Array;
  readonly fmt: string;
  readonly clientDataJSON: Uint8Array;
  readonly attestationObject: Uint8Array;
  readonly authenticatorData: Uint8Array;
  /** COSE_Key. */
  readonly coseKey: Uint8Array;
  readonly publicKey: platform.PublicKey;
}

/** A sign-in as a browser hands it to a page. */
export interface BrowserSignIn {
  readonly id: Uint8Array;
  readonly clientDataJSON: Uint8Array;
  readonly authenticatorData: Uint8Array;
  readonly signature: Uint8Array;
}

/** Registers as a browser does on the page of `https://example.org`. */
export async function registerInBrowser(key: Key, changes: Changes): Promise<BrowserRegistration> {
  const clientDataJSON = clientData('webauthn.create');
  const { status, members } = await key.makeCredential({ 1: platform.sha256(clientDataJSON), ...changes });
  if (status !== 0) throw new Error(`status 0x${status.toString(16)}`);
  const { 1: fmt, 2: authData, 3: attStmt } = Object.fromEntries(members);
  if (!(authData instanceof Uint8Array) || typeof fmt !== 'string' || attStmt === undefined)
    throw new Error('no answer');
  const { attested } = platform.parseAuthenticatorData(authData);
  if (!attested) throw new Error('no attested credential');
  return {
    id: attested.credentialId,
    fmt,
    clientDataJSON,
    attestationObject: platform.encode(new Map(Object.entries({ fmt, authData, attStmt }))),
    authenticatorData: authData,
    coseKey: platform.encode(attested.coseKey),
    publicKey: platform.importCoseKey(attested.coseKey),
  };
}

/** Signs in as a browser does on the same page. */
export async function signInInBrowser(key: Key, { id }: BrowserRegistration): Promise<BrowserSignIn> {
  const clientDataJSON = clientData('webauthn.get');
  const { status, members } = await key.getAssertion({ 2: platform.sha256(clientDataJSON), 3: [descriptor(id)] });
  const { 2: authenticatorData, 3: signature } = Object.fromEntries(members);
  if (!(authenticatorData instanceof Uint8Array) || !(signature instanceof Uint8Array))
    throw new Error(`status 0x${status.toString(16)}`);
  return { id, clientDataJSON, authenticatorData, signature };
}

/** What @simplewebauthn/server makes of a registration. `root`: DER of the attestation root that the site trusts. */
export async function simpleWebAuthn(registration: BrowserRegistration, algorithms: number[], root?: Uint8Array) {
  for (const identifier of ['packed', 'fido-u2f'] as const) {
    SettingsService.setRootCertificates({ identifier, certificates: root ? [Buffer.from(root)] : [] });
  }
  const { verified } = await verifyRegistrationResponse({
    response: {
      ...inJson(registration.id),
      response: {
        clientDataJSON: base64url(registration.clientDataJSON),
        attestationObject: base64url(registration.attestationObject),
      },
    },
    expectedChallenge: base64url(challenge),
    expectedOrigin: origin,
    expectedRPID: rpId,
    requireUserVerification: false,
    supportedAlgorithmIDs: algorithms,
  });
  return verified;
}

/** What @simplewebauthn/server makes of a sign-in. */
export async function simpleWebAuthnSignIn({ id, coseKey }: BrowserRegistration, signIn: BrowserSignIn) {
  const { verified } = await verifyAuthenticationResponse({
    response: { ...inJson(id), response: signInInJson(signIn) },
    expectedChallenge: base64url(challenge),
    expectedOrigin: origin,
    expectedRPID: rpId,
    requireUserVerification: false,
    credential: { id: base64url(id), publicKey: new Uint8Array(coseKey), counter: 0 },
  });
  return verified;
}

/** What fido2-lib makes of a registration: the name of the format and whether its checks ended well. */
export async function fido2Lib(registration: BrowserRegistration): Promise<{ fmt: unknown; passed: boolean }> {
  const result = await site().attestationResult(
    {
      id: inBuffer(registration.id),
      rawId: inBuffer(registration.id),
      response: {
        clientDataJSON: base64url(registration.clientDataJSON),
        attestationObject: base64url(registration.attestationObject),
      },
    },
    { challenge: base64url(challenge), origin, factor: 'either' },
  );
  return { fmt: result.authnrData.get('fmt'), passed: result.audit.complete && result.audit.validExpectations };
}

/** What fido2-lib makes of a sign-in. */
export async function fido2LibSignIn({ publicKey }: BrowserRegistration, signIn: BrowserSignIn): Promise<boolean> {
  const { audit } = await site().assertionResult(
    {
      id: inBuffer(signIn.id),
      rawId: inBuffer(signIn.id),
      response: { ...signInInJson(signIn), authenticatorData: inBuffer(signIn.authenticatorData) },
    },
    {
      challenge: base64url(challenge),
      origin,
      factor: 'either',
      publicKey: publicKey.key?.export({ type: 'spki', format: 'pem' }).toString() ?? '',
      prevCounter: 0,
      userHandle: null,
    },
  );
  return audit.complete && audit.validExpectations;
}

const onThePage = { challenge: base64url(challenge), origin, userVerified: false };

/** What @passwordless-id/webauthn makes of a registration; it leaves attestation alone. @returns the algorithm's name */
export async function passwordlessId({ id, publicKey, ...registration }: BrowserRegistration): Promise<string> {
  const { credential } = await passwordless.verifyRegistration(
    {
      ...inJson(id),
      user: { name: 'alice' },
      response: {
        clientDataJSON: base64url(registration.clientDataJSON),
        attestationObject: base64url(registration.attestationObject),
        authenticatorData: base64url(registration.authenticatorData),
        publicKey: spki(publicKey),
        publicKeyAlgorithm: publicKey.alg,
        transports: ['usb'],
      },
    },
    onThePage,
  );
  return credential.algorithm;
}

/** What @passwordless-id/webauthn makes of a sign-in; it knows no algorithm of ours but ES256. */
export async function passwordlessIdSignIn({ id, publicKey }: BrowserRegistration, signIn: BrowserSignIn) {
  const credential = { id: base64url(id), publicKey: spki(publicKey), algorithm: 'ES256', transports: [] } as const;
  const { credentialId } = await passwordless.verifyAuthentication(
    { ...inJson(id), response: signInInJson(signIn) },
    { ...credential, transports: [] },
    onThePage,
  );
  return credentialId === credential.id;
}

function clientData(type: string): Uint8Array {
  return Buffer.from(JSON.stringify({ type, challenge: base64url(challenge), origin, crossOrigin: false }));
}

function site(): Fido2Lib {
  return new Fido2Lib({ rpId, challengeSize: 32, attestation: 'direct' });
}

/** What all answers of a browser have, as PublicKeyCredential.toJSON() writes it. */
function inJson(id: Uint8Array) {
  return { id: base64url(id), rawId: base64url(id), type: 'public-key', clientExtensionResults: {} } as const;
}

function signInInJson({ clientDataJSON, authenticatorData, signature }: BrowserSignIn) {
  return {
    clientDataJSON: base64url(clientDataJSON),
    authenticatorData: base64url(authenticatorData),
    signature: base64url(signature),
  };
}

function spki({ key }: platform.PublicKey): string {
  return key?.export({ type: 'spki', format: 'der' }).toString('base64url') ?? '';
}

function inBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
