// authenticatorGetAssertion (0x02): a signature by a credential of the relying party. CTAP 2.1 §6.2.2, whose step
// numbers the comments bear.

import { utf8ToBytes } from '@noble/hashes/utils.js';
import { assertion } from '../assertion.ts';
import type { Call } from '../call.ts';
import * as cbor from '../cbor.ts';
import { findCredential } from '../credential-id.ts';
import type { Credential, CredentialSource } from '../env.ts';
import { isUsable } from '../extensions/cred-protect.ts';
import { extendAssertion, readExtensions } from '../extensions/extensions.ts';
import { readClientDataHash, readCredentialIds } from '../request-members.ts';
import { CtapError } from '../status.ts';
import {
  applyAlwaysUv,
  readTokenProof,
  readUvOption,
  requirePresence,
  uvFlag,
  verifyUser,
} from '../user-verification.ts';
import { Flag, Permission, GetAssertionRequest as Request } from '../wire.ts';

/** @throws CtapError as CTAP 2.1 §6.2.2 says. */
export async function getAssertion(call: Call): Promise<cbor.CborMap> {
  const { context, environment, policy, session } = call;
  const { clock, crypto, vault } = environment;
  const { rpId, clientDataHash, allowList, ...request } = readRequest(call);
  await call.openVault();
  // Steps 1 and 2.
  const proof = await readTokenProof(call, request.pinUvAuthParam, request.pinUvAuthProtocol);
  // Step 4. `rk` belongs to makeCredential.
  const uvOption = readUvOption(call, proof, request.uv);
  if (request.rk !== undefined) throw new CtapError('UNSUPPORTED_OPTION');
  // Step 5: a platform that only looks for a credential is let through.
  const uv = request.up ? applyAlwaysUv(call, proof, uvOption) : uvOption;
  // Step 6.
  const { ga: permission } = Permission;
  const prompt = { kind: 'sign-in', rpId, accounts: [] } as const;
  const verification = await verifyUser(call, { proof, uv, clientDataHash, permission, rpId, prompt });
  // Step 7: nobody is asked for a credential that is not here.
  const rpIdHash = crypto.sha256(utf8ToBytes(rpId));
  const userVerified = verification !== 'none';
  const listed = firstOf(allowList ?? [], (id) => {
    const found = findCredential(vault, crypto, rpIdHash, id);
    return found && isUsable(found, { userVerified, named: true }) ? found : undefined;
  });
  const discoverable = allowList ? [] : vault.credentialsOf(rpIdHash);
  const accounts = discoverable.filter((account) => isUsable(account, { userVerified, named: false }));
  const credential = listed ?? accounts[0];
  if (!credential) throw new CtapError('NO_CREDENTIALS');
  // Step 10, as far as it can fail: nobody is asked for what will be refused.
  const { up } = request;
  const extensions = extendAssertion({ call, inputs: request.extensions, userVerified, up });
  // Steps 8 and 9: `up: false` is how a platform looks for a credential without bothering anybody.
  if (up) {
    await requirePresence(call, verification, { ...prompt, accounts: namesOf(listed ? [listed] : accounts) });
  }
  const isPresent = up || verification === 'built-in';
  const flags = (isPresent ? Flag.UP : 0) | uvFlag(verification);
  const terms = { clientDataHash, flags, extensions };
  // Step 11: of an allowList, any one credential.
  if (listed) return assertion(environment, listed, terms);
  // Step 12: without a display of our own, the platform fetches all accounts and lets the person choose.
  const numberOfCredentials = accounts.length > 1 ? accounts.length : undefined;
  const [newest, ...others] = accounts;
  if (others.length > 0) {
    const expiresAt = clock.monotonic() + policy.nextAssertionTimeoutMs;
    const endsWithToken = verification === 'token';
    session.nextAssertions = { ...terms, channel: context.channel, accounts: others, endsWithToken, expiresAt };
  }
  // Step 13. Names are for choosing among several accounts.
  const user = newest && (others.length > 0 ? newest.user : { id: newest.user.id });
  return assertion(environment, credential, terms, user, numberOfCredentials);
}

function readRequest({ parameters, policy }: Call) {
  const options = parameters.optional(Request.options, cbor.map);
  return {
    rpId: parameters.required(Request.rpId, cbor.text),
    clientDataHash: readClientDataHash(parameters, Request.clientDataHash),
    allowList: readCredentialIds(parameters, Request.allowList, policy.maxCredentialCountInList),
    up: options?.optional('up', cbor.boolean) ?? true,
    uv: options?.optional('uv', cbor.boolean),
    rk: options?.optional('rk', cbor.boolean),
    extensions: readExtensions(parameters, Request.extensions),
    pinUvAuthParam: parameters.optional(Request.pinUvAuthParam, cbor.bytes),
    pinUvAuthProtocol: parameters.optional(Request.pinUvAuthProtocol, cbor.integer),
  };
}

function firstOf<T>(ids: readonly Uint8Array[], find: (id: Uint8Array) => T | undefined): T | undefined {
  for (const id of ids) {
    const found = find(id);
    if (found) return found;
  }
  return undefined;
}

/** For the person who is asked; a credential that is sealed in its id has no name. */
function namesOf(credentials: readonly (CredentialSource | Credential)[]): string[] {
  return credentials.flatMap((credential) => {
    const name = 'user' in credential ? (credential.user.name ?? credential.user.displayName) : undefined;
    return name === undefined ? [] : [name];
  });
}
