// The relying party's side of both WebAuthn ceremonies, on @simplewebauthn/server: options out, answers verified.
// It knows sessions by name only; HTTP is in relying-party.ts.

import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { decodeAttestationObject, decodeClientDataJSON } from '@simplewebauthn/server/helpers';
import { type Account, Accounts, newUserId } from './accounts.ts';
import { Challenges, challengeLifetimeMs } from './challenges.ts';
import { algorithmName, algorithmOf, type DecodedRegistration, type DecodedSignIn, decodeFlags } from './decoded.ts';
import { Refusal } from './refusal.ts';

/** What a person chooses before signing up. */
export interface RegistrationChoices {
  readonly userName: string;
  readonly residentKey: 'required' | 'preferred' | 'discouraged';
  readonly attestation: 'none' | 'direct';
  readonly userVerification: UserVerification;
}

/** What a person chooses before signing in; without a user name, the key has to know whom it holds. */
export interface SignInChoices {
  readonly userName: string | undefined;
  readonly userVerification: UserVerification;
}

export type UserVerification = 'required' | 'preferred' | 'discouraged';

/** ES256 first: every browser and key has it. */
const algorithms = [-7, -8, -257];

export class Ceremonies {
  readonly accounts = new Accounts();
  readonly #challenges: Challenges;
  readonly #origin: string;
  readonly #rpId: string;

  constructor(origin: string, now: () => number) {
    this.#challenges = new Challenges(now);
    this.#origin = origin;
    this.#rpId = new URL(origin).hostname;
  }

  /** Options for navigator.credentials.create. A name that exists takes further keys only from its owner. */
  async registrationOptions(
    choices: RegistrationChoices,
    session: string,
    signedInAs: string | undefined,
  ): Promise<PublicKeyCredentialCreationOptionsJSON> {
    const { userName, residentKey, attestation, userVerification } = choices;
    const account = this.accounts.find(userName);
    if (account && signedInAs !== userName) {
      throw nameTaken(userName);
    }
    const userId = account?.userId ?? newUserId();
    const options = await generateRegistrationOptions({
      rpName: 'passfob demo',
      rpID: this.#rpId,
      userName,
      userDisplayName: userName,
      userID: bytes(userId),
      attestationType: attestation,
      excludeCredentials: descriptors(account),
      authenticatorSelection: { residentKey, userVerification },
      preferredAuthenticatorType: 'securityKey',
      supportedAlgorithmIDs: algorithms,
      timeout: challengeLifetimeMs,
    });
    const requireUv = userVerification === 'required';
    this.#challenges.issue(options.challenge, session, { kind: 'register', userName, userId, requireUv });
    return options;
  }

  /** Verifies a new credential and keeps it. @throws Refusal if anything about it is not as expected. */
  async register(response: RegistrationResponseJSON, session: string): Promise<DecodedRegistration> {
    const challenge = challengeOf(response);
    const { userName, userId, requireUv } = this.#challenges.take(challenge, session, 'register');
    const { registrationInfo } = await verified(
      verifyRegistrationResponse({
        response,
        expectedChallenge: challenge,
        expectedOrigin: this.#origin,
        expectedRPID: this.#rpId,
        requireUserVerification: requireUv,
        supportedAlgorithmIDs: algorithms,
      }),
    );
    const { aaguid, fmt, credential, attestationObject } = registrationInfo;
    if (this.accounts.findByCredential(credential.id)) {
      throw new Refusal(409, 'credential-taken', 'this credential is registered already');
    }
    const owner = this.accounts.find(userName);
    if (owner && owner.userId !== userId) {
      throw nameTaken(userName);
    }
    const statement = decodeAttestationObject(attestationObject);
    const authenticatorData = Buffer.from(statement.get('authData')).toString('base64url');
    const algorithm = algorithmOf(credential.publicKey);
    const discoverable = response.clientExtensionResults?.credProps?.rk;
    const { id, publicKey, counter: signCount, transports = [] } = credential;
    this.accounts.add(userName, userId, {
      id,
      publicKey,
      algorithm,
      transports,
      aaguid,
      fmt,
      discoverable,
      signCount,
    });
    return {
      verified: true,
      userName,
      credentialId: id,
      fmt,
      attestation: fmt === 'none' ? 'none' : statement.get('attStmt').get('x5c') ? 'certificate' : 'self',
      aaguid,
      ...decodeFlags(authenticatorData),
      algorithm,
      algorithmName: algorithmName(algorithm),
      ...(discoverable !== undefined && { discoverable }),
      transports,
      origin: this.#origin,
      rpId: this.#rpId,
      authenticatorData,
    };
  }

  /** Options for navigator.credentials.get. */
  async signInOptions(choices: SignInChoices, session: string): Promise<PublicKeyCredentialRequestOptionsJSON> {
    const { userName, userVerification } = choices;
    const account = userName === undefined ? undefined : this.accounts.find(userName);
    if (userName !== undefined && !account) {
      throw new Refusal(404, 'unknown-user', `nobody is registered here as ${JSON.stringify(userName)}`);
    }
    const options = await generateAuthenticationOptions({
      rpID: this.#rpId,
      allowCredentials: descriptors(account),
      userVerification,
      timeout: challengeLifetimeMs,
    });
    const requireUv = userVerification === 'required';
    this.#challenges.issue(options.challenge, session, { kind: 'sign-in', userName, requireUv });
    return options;
  }

  /** Verifies a sign-in. @throws Refusal if anything about it is not as expected. WebAuthn §7.2. */
  async signIn(response: AuthenticationResponseJSON, session: string): Promise<DecodedSignIn> {
    const challenge = challengeOf(response);
    const { userName, requireUv } = this.#challenges.take(challenge, session, 'sign-in');
    const found = this.accounts.findByCredential(response.id);
    if (!found || (userName !== undefined && found.account.userName !== userName)) {
      throw new Refusal(404, 'unknown-credential', 'the key answered with a credential that is not registered here');
    }
    const { account, credential } = found;
    const { userHandle, authenticatorData } = response.response;
    if (userName === undefined ? userHandle !== account.userId : userHandle && userHandle !== account.userId) {
      throw new Refusal(
        400,
        'wrong-user-handle',
        'the key answered for another account than the credential belongs to',
      );
    }
    const { id, publicKey, algorithm, aaguid, fmt, discoverable, transports } = credential;
    const previousSignCount = credential.signCount;
    const { authenticationInfo } = await verified(
      verifyAuthenticationResponse({
        response,
        expectedChallenge: challenge,
        expectedOrigin: this.#origin,
        expectedRPID: this.#rpId,
        requireUserVerification: requireUv,
        credential: { id, publicKey, counter: previousSignCount },
      }),
    );
    credential.signCount = authenticationInfo.newCounter;
    return {
      verified: true,
      userName: account.userName,
      withoutUserName: userName === undefined,
      credentialId: id,
      fmt,
      aaguid,
      ...decodeFlags(authenticatorData),
      previousSignCount,
      algorithm,
      algorithmName: algorithmName(algorithm),
      ...(discoverable !== undefined && { discoverable }),
      transports,
      origin: this.#origin,
      rpId: this.#rpId,
      authenticatorData,
    };
  }
}

function descriptors(account: Account | undefined): { id: string; transports: string[] }[] {
  return account?.credentials.map(({ id, transports }) => ({ id, transports })) ?? [];
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64url, 'base64url'));
}

function nameTaken(userName: string): Refusal {
  const message = `${JSON.stringify(userName)} is registered already: sign in first to add another key, or choose another name`;
  return new Refusal(409, 'user-name-taken', message);
}

/** The challenge that an answer claims to be for. Whether it says so truly is up to the verification. */
function challengeOf(response: RegistrationResponseJSON | AuthenticationResponseJSON): string {
  try {
    const { challenge } = decodeClientDataJSON(response.response.clientDataJSON);
    if (typeof challenge === 'string') {
      return challenge;
    }
  } catch {
    // Whatever the client sent instead: it is not an answer to any challenge.
  }
  throw new Refusal(400, 'malformed-response', 'expected what navigator.credentials returned, as JSON');
}

/** @simplewebauthn/server throws at what it does not accept: each of these is the client's fault, not ours. */
async function verified<T extends { verified: boolean }>(verification: Promise<T>): Promise<T & { verified: true }> {
  const result = await verification.catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Refusal(400, 'not-verified', `the key's answer does not verify: ${reason}`);
  });
  if (!result.verified) {
    throw new Refusal(400, 'not-verified', "the key's answer does not verify: the signature is wrong");
  }
  return result as T & { verified: true };
}
