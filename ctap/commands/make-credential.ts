// authenticatorMakeCredential (0x01): a new key pair for one account at one relying party. CTAP 2.1 §6.1.2, whose
// step numbers the comments bear.

import { utf8ToBytes } from '@noble/hashes/utils.js';
import {
  attestationFormats,
  attestationStatement,
  attestedAaguid,
  chooseAttestationFormat,
  grantsEnterpriseAttestation,
} from '../attestation.ts';
import { encodeAuthenticatorData } from '../authenticator-data.ts';
import type { Call } from '../call.ts';
import * as cbor from '../cbor.ts';
import { coseKey, usableAlgorithms } from '../cose.ts';
import {
  findCredential,
  randomCredentialId,
  type SealedSource,
  sealCredentialId,
  sealedCredRandom,
} from '../credential-id.ts';
import { backupFlags, kindOfNewCredential, nextSignCount } from '../credential-kind.ts';
import type { CoseAlgorithm, Credential } from '../env.ts';
import { isUsable } from '../extensions/cred-protect.ts';
import { extendCreation, readExtensions } from '../extensions/extensions.ts';
import { isProtected } from '../pin-uv-auth.ts';
import type { Policy } from '../policy.ts';
import { checkIcon, readClientDataHash, readCredentialIds, readName, readUser } from '../request-members.ts';
import { CtapError } from '../status.ts';
import {
  applyAlwaysUv,
  includesPresence,
  readTokenProof,
  readUvOption,
  requirePresence,
  uvFlag,
  verifyUser,
} from '../user-verification.ts';
import { Flag, Permission, MakeCredentialRequest as Request, MakeCredentialResponse as Response } from '../wire.ts';

/** @throws CtapError as CTAP 2.1 §6.1.2 says. */
export async function makeCredential(call: Call): Promise<cbor.CborMap> {
  const { policy } = call;
  const { clock, crypto, vault } = call.environment;
  const request = readRequest(call.parameters, policy);
  const { rpId, user, clientDataHash } = request;
  await call.openVault();
  // Steps 1 and 2.
  const proof = await readTokenProof(call, request.pinUvAuthParam, request.pinUvAuthProtocol);
  // Step 3: the relying party's order decides.
  const usable = usableAlgorithms(policy, crypto);
  const algorithm = request.algorithms.find((candidate) => usable.includes(candidate));
  if (algorithm === undefined) throw new CtapError('UNSUPPORTED_ALGORITHM');
  // Step 5. A registration without a touch does not exist.
  const uvOption = readUvOption(call, proof, request.uv);
  if (request.up === false) throw new CtapError('INVALID_OPTION');
  // Step 6.
  const uv = applyAlwaysUv(call, proof, uvOption);
  // Step 7. Step 8 is for keys without makeCredUvNotRqd, which this one always has but under alwaysUv: then step 6 held.
  if (request.rk && !uv && !proof && isProtected(call)) {
    throw new CtapError(vault.device.pin ? 'PUAT_REQUIRED' : 'OPERATION_DENIED');
  }
  // Step 9.
  const isEnterprise = grantsEnterpriseAttestation(call, request.enterpriseAttestation, rpId);
  // Steps 10 and 11.
  const userName = user.name ?? user.displayName;
  const prompt = { kind: 'register', rpId, ...(userName !== undefined && { userName }) } as const;
  const { mc: permission } = Permission;
  const verification = await verifyUser(call, { proof, uv, clientDataHash, permission, rpId, prompt });
  const userVerified = verification !== 'none';
  // Step 12: whatever the person answers, so that a site cannot tell without consent that this key is known to it.
  const rpIdHash = crypto.sha256(utf8ToBytes(rpId));
  const isExcluded = request.excludeList?.some((id) => {
    const known = findCredential(vault, crypto, rpIdHash, id);
    return known && isUsable(known, { userVerified, named: true });
  });
  if (isExcluded) {
    if (!includesPresence(call, verification)) await call.ask({ kind: 'already-registered', rpId });
    throw new CtapError('CREDENTIAL_EXCLUDED');
  }
  // Step 15, as far as it can fail: nobody is asked for what will be refused.
  const extensions = extendCreation({ call, inputs: request.extensions, userVerified, rpId, rk: request.rk });
  // Steps 13 and 14.
  await requirePresence(call, verification, prompt);
  // Steps 16 to 18: the key pair; what is not discoverable lives in its own id.
  const keyPair = crypto.generateKeyPair(algorithm);
  const source = {
    rpIdHash,
    algorithm,
    ...keyPair,
    kind: kindOfNewCredential(policy, vault, rpId),
    ...extensions.attributes,
  } as const satisfies SealedSource;
  const id = request.rk ? randomCredentialId(crypto) : sealCredentialId(crypto, vault.device.credentialIdKey, source);
  // Always made: getAssertion may ask for hmac-secret later. CTAP 2.1 §12.5.
  const credRandom = request.rk
    ? { withUV: crypto.randomBytes(32), withoutUV: crypto.randomBytes(32) }
    : sealedCredRandom(crypto, keyPair.privateKey);
  // Steps 15 and 19.
  const formats = attestationFormats(policy, call.environment);
  const fmt = chooseAttestationFormat(formats, request.attestationFormatsPreference, algorithm, isEnterprise);
  const aaguid = attestedAaguid(fmt, policy);
  const attested = { aaguid, credentialId: id, coseKey: coseKey(algorithm, keyPair.publicKey) };
  const flags = Flag.UP | uvFlag(verification) | backupFlags(source);
  const outputs = extensions.outputs(credRandom);
  const authData = encodeAuthenticatorData(rpIdHash, flags, nextSignCount(vault, source), attested, outputs);
  const attestationKey = isEnterprise ? call.environment.enterpriseAttestation : call.environment.attestation;
  const attStmt = attestationStatement(fmt, call.environment, attestationKey, {
    ...source,
    id,
    authData,
    clientDataHash,
  });

  if (request.rk) {
    const { rpName } = request;
    const siblings = vault.credentialsOf(rpIdHash);
    // Step 17: a credential of the same account is overwritten.
    const overwritten = siblings.filter((sibling) => crypto.equal(sibling.user.id, user.id));
    if (vault.credentialCount() - overwritten.length >= policy.maxDiscoverableCredentials) {
      throw new CtapError('KEY_STORE_FULL');
    }
    // Later than any sibling, also where the clock stood still or went back: getAssertion offers the newest first.
    const [now, newest] = [clock.now(), siblings[0]?.createdAt ?? 0];
    const createdAt = now > newest ? now : newest + 1;
    const credential: Credential = { id, ...source, credRandom, rpId, ...rpName, user, createdAt };
    await call.commit((tx) => {
      for (const old of overwritten) tx.deleteCredential(old.id);
      tx.putCredential(credential);
    });
  }
  return new Map<number, cbor.CborValue | undefined>([
    [Response.fmt, fmt],
    [Response.authData, authData],
    [Response.attStmt, attStmt],
    [Response.largeBlobKey, extensions.attributes.largeBlobKey],
    [Response.epAtt, isEnterprise && fmt !== 'none' ? true : undefined],
  ]);
}

function readRequest(parameters: cbor.MapReader, policy: Policy) {
  const clientDataHash = readClientDataHash(parameters, Request.clientDataHash);
  const rp = parameters.required(Request.rp, cbor.map);
  const user = parameters.required(Request.user, cbor.map);
  const options = parameters.optional(Request.options, cbor.map);
  checkIcon(rp);
  return {
    clientDataHash,
    rpId: readRpId(rp),
    rpName: readName(rp, 'name', 'rpName', policy.maxNameBytes),
    user: readUser(user, policy.maxNameBytes),
    algorithms: readAlgorithms(parameters),
    excludeList: readCredentialIds(parameters, Request.excludeList, policy.maxCredentialCountInList),
    rk: options?.optional('rk', cbor.boolean) ?? false,
    up: options?.optional('up', cbor.boolean),
    uv: options?.optional('uv', cbor.boolean),
    extensions: readExtensions(parameters, Request.extensions),
    pinUvAuthParam: parameters.optional(Request.pinUvAuthParam, cbor.bytes),
    pinUvAuthProtocol: parameters.optional(Request.pinUvAuthProtocol, cbor.integer),
    enterpriseAttestation: parameters.optional(Request.enterpriseAttestation, cbor.unsigned),
    attestationFormatsPreference: parameters.optional(Request.attestationFormatsPreference, cbor.arrayOf(cbor.text)),
  };
}

/** An empty RP ID counts as missing. docs/spec-decisions.md. */
function readRpId(rp: cbor.MapReader): string {
  const rpId = rp.required('id', cbor.text);
  if (rpId === '') throw new CtapError('MISSING_PARAMETER');
  return rpId;
}

/** The algorithms of all `public-key` parameters in order; every element is checked, also those that are skipped. */
function readAlgorithms(parameters: cbor.MapReader): CoseAlgorithm[] {
  return parameters
    .required(Request.pubKeyCredParams, cbor.arrayOf(cbor.map))
    .map((element) => ({ alg: element.required('alg', cbor.integer), type: element.required('type', cbor.text) }))
    .filter(({ type }) => type === 'public-key')
    .map(({ alg }) => alg);
}
