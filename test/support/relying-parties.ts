// The relying-party libraries that real sites use, as referees of registrations.

import { SettingsService, verifyRegistrationResponse } from '@simplewebauthn/server';
import { Fido2Lib } from 'fido2-lib';
import type { Changes, Key } from './key.ts';
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
}

/** Registers as a browser does on the page of `https://example.org`. */
export async function registerInBrowser(key: Key, changes: Changes): Promise<BrowserRegistration> {
  const clientData = { type: 'webauthn.create', challenge: base64url(challenge), origin, crossOrigin: false };
  const clientDataJSON = Buffer.from(JSON.stringify(clientData));
  const { status, members } = await key.makeCredential({ 1: platform.sha256(clientDataJSON), ...changes });
  if (status !== 0) throw new Error(`status 0x${status.toString(16)}`);
  const { 1: fmt, 2: authData, 3: attStmt } = Object.fromEntries(members);
  if (!(authData instanceof Uint8Array) || typeof fmt !== 'string' || attStmt === undefined)
    throw new Error('no answer');
  const { attested } = platform.parseAuthenticatorData(authData);
  if (!attested) throw new Error('no attested credential');
  const attestationObject = platform.encode(new Map(Object.entries({ fmt, authData, attStmt })));
  return { id: attested.credentialId, fmt, clientDataJSON, attestationObject };
}

/** What @simplewebauthn/server makes of it. `root`: DER of the attestation root that the site trusts. */
export async function simpleWebAuthn(registration: BrowserRegistration, algorithms: number[], root?: Uint8Array) {
  for (const identifier of ['packed', 'fido-u2f'] as const) {
    SettingsService.setRootCertificates({ identifier, certificates: root ? [Buffer.from(root)] : [] });
  }
  const { verified } = await verifyRegistrationResponse({
    response: {
      id: base64url(registration.id),
      rawId: base64url(registration.id),
      type: 'public-key',
      clientExtensionResults: {},
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

/** What fido2-lib makes of it: the name of the format and whether its checks ended well. */
export async function fido2Lib(registration: BrowserRegistration): Promise<{ fmt: unknown; passed: boolean }> {
  const library = new Fido2Lib({ rpId, challengeSize: 32, attestation: 'direct' });
  const id = new Uint8Array(registration.id).buffer;
  const result = await library.attestationResult(
    {
      id,
      rawId: id,
      response: {
        clientDataJSON: base64url(registration.clientDataJSON),
        attestationObject: base64url(registration.attestationObject),
      },
    },
    { challenge: base64url(challenge), origin, factor: 'either' },
  );
  return { fmt: result.authnrData.get('fmt'), passed: result.audit.complete && result.audit.validExpectations };
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
