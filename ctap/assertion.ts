// One assertion: authenticator data and a signature over it. authenticatorGetAssertion and
// authenticatorGetNextAssertion answer with the same members. CTAP 2.1 §6.2.2 steps 12.3 and 13.

import { concatBytes } from '@noble/hashes/utils.js';
import { encodeAuthenticatorData } from './authenticator-data.ts';
import type { CborMap, CborValue } from './cbor.ts';
import { backupFlags, nextSignCount } from './credential-kind.ts';
import type { Environment, UserEntity } from './env.ts';
import type { AssertedCredential } from './extensions/extension.ts';
import type { ExtendedAssertion } from './extensions/extensions.ts';
import { Flag, GetAssertionResponse as Response } from './wire.ts';

/** What all answers to one authenticatorGetAssertion have in common. */
export interface AssertionTerms {
  readonly clientDataHash: Uint8Array;
  /** UP and UV. */
  readonly flags: number;
  readonly extensions: ExtendedAssertion;
}

/** One signature, and the account as far as the user was verified. */
export function assertion(
  { crypto, vault }: Environment,
  credential: AssertedCredential,
  { clientDataHash, flags, extensions }: AssertionTerms,
  user?: UserEntity,
  numberOfCredentials?: number,
): CborMap {
  const { rpIdHash } = credential;
  const outputs = extensions.outputs(credential);
  const allFlags = flags | backupFlags(credential);
  const signCount = nextSignCount(vault, credential);
  const authData = encodeAuthenticatorData(rpIdHash, allFlags, signCount, undefined, outputs);
  return new Map<number, CborValue | undefined>([
    [
      Response.credential,
      new Map<string, CborValue>([
        ['id', credential.id],
        ['type', 'public-key'],
      ]),
    ],
    [Response.authData, authData],
    [Response.signature, crypto.sign(credential.algorithm, credential, concatBytes(authData, clientDataHash))],
    [Response.user, user && encodeUser(user, (flags & Flag.UV) !== 0)],
    [Response.numberOfCredentials, numberOfCredentials],
    [Response.largeBlobKey, extensions.largeBlobKey(credential)],
  ]);
}

/** Names tell who someone is, so whoever only found the key does not get them. CTAP 2.1 §6.2.2 step 12.3. */
function encodeUser({ id, name, displayName }: UserEntity, withNames: boolean): CborMap {
  const names = withNames ? { name, displayName } : {};
  return new Map<string, Uint8Array | string | undefined>(Object.entries({ id, ...names }));
}
