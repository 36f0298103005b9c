// navigator.credentials as a library: JSON options in, JSON responses out, one security key, the caller's origin.
// WebAuthn §5.1.3 and §5.1.4. Of the extensions only credProps; client PIN is not here yet.

import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { type CborValue, encodeCbor } from '../../ctap/cbor.ts';
import { readAttestedCredential } from './attested-credential.ts';
import type { AuthenticatorInfo } from './authenticator-info.ts';
import {
  type Caller,
  collectClientData,
  fromBase64url,
  knownPart,
  perform,
  toBase64url,
  wantsUserVerification,
} from './ceremony.ts';
import type { Assertion, CtapClient, RequestOptions } from './ctap-client.ts';
import { effectiveRpId } from './rp-id.ts';
import { WebAuthnError } from './webauthn-error.ts';

/** What a relying party gets if it lists no algorithms: ES256 and RS256. WebAuthn §5.1.3 step 9. */
const defaultAlgorithms = [-7, -257];

/** Makes a credential, as navigator.credentials.create does. @throws WebAuthnError if that does not succeed. */
export function createCredential(
  ctap: CtapClient,
  options: PublicKeyCredentialCreationOptionsJSON,
  caller: Caller,
): Promise<RegistrationResponseJSON> {
  return perform(caller, options.timeout, async (request) => {
    const rpId = effectiveRpId(caller.origin, options.rp.id);
    const algorithms = algorithmsOf(options);
    if (options.authenticatorSelection?.authenticatorAttachment === 'platform') {
      throw new WebAuthnError('NotAllowedError', 'the site wants the device itself, but this is a security key');
    }
    const clientData = collectClientData('webauthn.create', options.challenge, caller.origin);
    const info = await ctap.getInfo(request);
    const rk = wantsDiscoverable(info, options);
    const uv = wantsUserVerification(info, options.authenticatorSelection?.userVerification);
    const excludeList = await knownPart(ctap, info, rpId, idsOf(options.excludeCredentials), request);
    const { id, name, displayName } = options.user;
    const created = await ctap.makeCredential(
      {
        clientDataHash: clientData.hash,
        rp: { id: rpId, name: options.rp.name },
        user: { id: fromBase64url(id), name, displayName },
        algorithms,
        excludeList,
        rk,
        uv,
      },
      request,
    );
    const { credentialId, publicKey } = readAttestedCredential(created.authData);
    // A Level 3 client leaves the AAGUID alone when it takes the statement away. WebAuthn §5.1.3 step 22.
    const asked = (options.attestation ?? 'none') !== 'none';
    const { fmt, attStmt } = asked ? created : { fmt: 'none', attStmt: new Map<string, never>() };
    const attestationObject = new Map<string, CborValue>([
      ['fmt', fmt],
      ['attStmt', attStmt],
      ['authData', created.authData],
    ]);
    return {
      id: toBase64url(credentialId),
      rawId: toBase64url(credentialId),
      type: 'public-key',
      authenticatorAttachment: 'cross-platform',
      clientExtensionResults: options.extensions?.credProps ? { credProps: { rk } } : {},
      response: {
        clientDataJSON: toBase64url(clientData.json),
        attestationObject: toBase64url(encodeCbor(attestationObject)),
        authenticatorData: toBase64url(created.authData),
        transports: [...new Set(info.transports)].sort(),
        publicKeyAlgorithm: publicKey.algorithm,
        ...(publicKey.der && { publicKey: toBase64url(publicKey.der) }),
      },
    };
  });
}

/** Signs in, as navigator.credentials.get does. @throws WebAuthnError if that does not succeed. */
export function getCredential(
  ctap: CtapClient,
  options: PublicKeyCredentialRequestOptionsJSON,
  caller: Caller,
): Promise<AuthenticationResponseJSON> {
  return perform(caller, options.timeout, async (request) => {
    const rpId = effectiveRpId(caller.origin, options.rpId);
    const clientData = collectClientData('webauthn.get', options.challenge, caller.origin);
    const info = await ctap.getInfo(request);
    const uv = wantsUserVerification(info, options.userVerification);
    const allowed = idsOf(options.allowCredentials);
    const allowList = await knownPart(ctap, info, rpId, allowed, request);
    if (allowed.length > 0 && allowList.length === 0) {
      // An empty list would mean any discoverable credential.
      throw new WebAuthnError('NotAllowedError', 'the key has none of the credentials that the site knows');
    }
    const first = await ctap.getAssertion({ rpId, clientDataHash: clientData.hash, allowList, uv }, request);
    const { credentialId = allowList[0], authData, signature, user } = await choose(ctap, first, caller, request);
    if (credentialId === undefined) {
      throw new WebAuthnError('UnknownError', 'expected the key to name the credential that it used');
    }
    return {
      id: toBase64url(credentialId),
      rawId: toBase64url(credentialId),
      type: 'public-key',
      authenticatorAttachment: 'cross-platform',
      clientExtensionResults: {},
      response: {
        clientDataJSON: toBase64url(clientData.json),
        authenticatorData: toBase64url(authData),
        signature: toBase64url(signature),
        ...(user && { userHandle: toBase64url(user.id) }),
      },
    };
  });
}

/** One of the assertions that the key offers. */
async function choose(ctap: CtapClient, first: Assertion, caller: Caller, request: RequestOptions): Promise<Assertion> {
  if (first.numberOfCredentials === 1 || !caller.chooseAccount) {
    return first;
  }
  const assertions = [first];
  while (assertions.length < first.numberOfCredentials) {
    assertions.push(await ctap.getNextAssertion(request));
  }
  const chosen = assertions[await caller.chooseAccount(assertions.map(({ user }) => user))];
  if (chosen === undefined) {
    throw new WebAuthnError('NotAllowedError', 'no account was chosen');
  }
  return chosen;
}

function algorithmsOf({ pubKeyCredParams }: PublicKeyCredentialCreationOptionsJSON): readonly number[] {
  const algorithms = pubKeyCredParams.filter(({ type }) => type === 'public-key').map(({ alg }) => alg);
  if (pubKeyCredParams.length > 0 && algorithms.length === 0) {
    throw new WebAuthnError('NotSupportedError', 'the site lists no credential type that there is');
  }
  return algorithms.length > 0 ? algorithms : defaultAlgorithms;
}

/** The option `rk`. A page of Level 1 says `requireResidentKey` instead of `residentKey`. WebAuthn §5.1.3 step 19. */
function wantsDiscoverable(info: AuthenticatorInfo, options: PublicKeyCredentialCreationOptionsJSON): boolean {
  const { residentKey, requireResidentKey } = options.authenticatorSelection ?? {};
  const requirement = residentKey ?? (requireResidentKey ? 'required' : 'discouraged');
  const possible = info.options.get('rk') === true;
  if (requirement === 'required' && !possible) {
    throw new WebAuthnError(
      'ConstraintError',
      'the site wants a discoverable credential, but this key cannot make one',
    );
  }
  return possible && requirement !== 'discouraged';
}

function idsOf(descriptors: PublicKeyCredentialRequestOptionsJSON['allowCredentials']): readonly Uint8Array[] {
  return (descriptors ?? []).filter(({ type }) => type === 'public-key').map(({ id }) => fromBase64url(id));
}
