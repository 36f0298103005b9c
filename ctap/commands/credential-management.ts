// authenticatorCredentialManagement (0x0A): lists, deletes and renames discoverable credentials for who has a token.
// The prototype of CTAP 2.1-PRE (0x41) is the same. CTAP 2.1 §6.8; read-only with the persistent token: CTAP 2.2 §6.8.

import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Call } from '../call.ts';
import { bytes, type CborMap, type CborValue, integer, type MapReader, map, parameterMap, unsigned } from '../cbor.ts';
import { coseKey } from '../cose.ts';
import type { Credential, RelyingParty, VaultTransaction } from '../env.ts';
import { authorize } from '../pin-uv-auth.ts';
import { readCredentialId, readUser } from '../request-members.ts';
import { CtapError } from '../status.ts';
import {
  Extension,
  CredentialManagementParams as Params,
  Permission,
  CredentialManagementRequest as Request,
  CredentialManagementResponse as Response,
  CredentialManagementSubCommand as SubCommand,
} from '../wire.ts';

type Handler = (call: Call, authorization: Authorization) => CborMap | Promise<undefined>;

const subCommands: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [SubCommand.getCredsMetadata, getCredsMetadata],
  [SubCommand.enumerateRPsBegin, enumerateRPs],
  [SubCommand.enumerateCredentialsBegin, enumerateCredentials],
  [SubCommand.deleteCredential, deleteCredential],
  [SubCommand.updateUserInformation, updateUserInformation],
]);

/** @throws CtapError as CTAP 2.1 §6.8 says; INVALID_SUBCOMMAND. */
export async function credentialManagement(call: Call): Promise<CborMap | undefined> {
  const subCommand = call.parameters.required(Request.subCommand, unsigned);
  if (
    subCommand === SubCommand.enumerateRPsGetNextRP ||
    subCommand === SubCommand.enumerateCredentialsGetNextCredential
  ) {
    return enumerateNext(call, subCommand);
  }
  const handler = subCommands.get(subCommand);
  if (!handler) throw new CtapError('INVALID_SUBCOMMAND');
  const authorization = readAuthorization(call);
  await call.openVault();
  return handler(call, authorization);
}

/** CTAP 2.1 §6.8.2. */
function getCredsMetadata(call: Call, authorization: Authorization): CborMap {
  authorizeReading(call, authorization);
  const { maxDiscoverableCredentials: max } = call.policy;
  const count = call.environment.vault.credentialCount();
  return new Map([
    [Response.existingResidentCredentialsCount, count],
    [Response.maxPossibleRemainingResidentCredentialsCount, count < max ? max - count : 0],
  ]);
}

/** CTAP 2.1 §6.8.3. */
function enumerateRPs(call: Call, authorization: Authorization): CborMap {
  const token = authorizeReading(call, authorization);
  const relyingParties = call.environment.vault.relyingParties();
  const answers = describeAll(relyingParties, describeRelyingParty);
  const total = [Response.totalRPs, relyingParties.length] as const;
  return enumerate(call, token, SubCommand.enumerateRPsGetNextRP, answers, total);
}

/** CTAP 2.1 §6.8.4. */
function enumerateCredentials(call: Call, authorization: Authorization): CborMap {
  const rpIdHash = readParams(call).required(Params.rpIDHash, bytes);
  const token = authorizeReading(call, authorization, rpIdHash);
  const credentials = call.environment.vault.credentialsOf(rpIdHash);
  const reportsPayment = call.policy.extensions.includes(Extension.thirdPartyPayment);
  const answers = describeAll(credentials, (credential) => describeCredential(credential, reportsPayment));
  const total = [Response.totalCredentials, credentials.length] as const;
  return enumerate(call, token, SubCommand.enumerateCredentialsGetNextCredential, answers, total);
}

/** CTAP 2.1 §6.8.5. */
async function deleteCredential(call: Call, authorization: Authorization): Promise<undefined> {
  const id = readCredentialId(readParams(call).required(Params.credentialID, map));
  authorize(call, authorization);
  const credential = managedCredential(call, id);
  await change(call, (tx) => tx.deleteCredential(credential.id));
}

/** CTAP 2.1 §6.8.6: both names are replaced, also by none. */
async function updateUserInformation(call: Call, authorization: Authorization): Promise<undefined> {
  const params = readParams(call);
  const id = readCredentialId(params.required(Params.credentialID, map));
  const user = readUser(params.required(Params.user, map), call.policy.maxNameBytes);
  authorize(call, authorization);
  const credential = managedCredential(call, id);
  if (!call.environment.crypto.equal(credential.user.id, user.id)) throw new CtapError('INVALID_PARAMETER');
  await change(call, (tx) => tx.putCredential({ ...credential, user }));
}

/** What was being listed is no longer what is there. */
async function change(call: Call, make: (tx: VaultTransaction) => void): Promise<undefined> {
  await call.commit(make);
  call.session.enumerations.clear();
}

// --- Authorization --------------------------------------------------------------------------------------------------

type Authorization = ReturnType<typeof readAuthorization>;

/** The parameters as received are part of the message: encoded anew they could differ. */
function readAuthorization({ parameters }: Call) {
  const pinUvAuthParam = parameters.optional(Request.pinUvAuthParam, bytes);
  if (!pinUvAuthParam) throw new CtapError('PUAT_REQUIRED');
  const pinUvAuthProtocol = parameters.required(Request.pinUvAuthProtocol, integer);
  const subCommand = parameters.required(Request.subCommand, unsigned);
  const params = parameters.raw(Request.subCommandParams) ?? new Uint8Array();
  const message = concatBytes(Uint8Array.of(subCommand), params);
  return { pinUvAuthParam, pinUvAuthProtocol, message, permission: Permission.cm };
}

function readParams({ parameters }: Call): MapReader {
  return parameters.required(Request.subCommandParams, parameterMap);
}

/** What only reads is also open to the persistent token. Gives back the token that it was. */
function authorizeReading(call: Call, authorization: Authorization, rpIdHash?: Uint8Array): Uint8Array {
  const { pinUvAuthParam, pinUvAuthProtocol, message } = authorization;
  const { pinUvAuth } = call.session;
  const persistent = pinUvAuth.verifyPersistentToken(pinUvAuthProtocol, message, pinUvAuthParam);
  if (persistent) return persistent;
  const token = authorize(call, authorization);
  requireRelyingParty(call, rpIdHash);
  return token;
}

/** A token that is bound to a relying party reaches nothing beyond it. Whether it may list its own: docs/spec-decisions.md. */
function requireRelyingParty({ environment: { crypto }, session }: Call, rpIdHash: Uint8Array | undefined): void {
  const { permissionsRpId } = session.pinUvAuth;
  if (permissionsRpId === undefined) return;
  const isItsOwn = rpIdHash && crypto.equal(rpIdHash, crypto.sha256(utf8ToBytes(permissionsRpId)));
  if (!isItsOwn) throw new CtapError('PIN_AUTH_INVALID');
}

/** The discoverable credential with this id, if the token reaches it. */
function managedCredential(call: Call, id: Uint8Array | undefined): Credential {
  const credential = id && call.environment.vault.credential(id);
  requireRelyingParty(call, credential?.rpIdHash);
  if (!credential) throw new CtapError('NO_CREDENTIALS');
  return credential;
}

// --- Enumeration ----------------------------------------------------------------------------------------------------

/** The first answer, with the total; the others wait for `next`. */
function enumerate(
  { context, environment, policy, session }: Call,
  token: Uint8Array,
  next: number,
  answers: Iterator<CborMap, undefined>,
  total: readonly [key: number, count: number],
): CborMap {
  const { value: first } = answers.next();
  session.enumerations.delete(next);
  if (!first) throw new CtapError('NO_CREDENTIALS');
  const expiresAt = environment.clock.monotonic() + policy.enumerationTimeoutMs;
  session.enumerations.set(next, { channel: context.channel, token, answers, expiresAt });
  return new Map([...first, total]);
}

/** Goes on where that list stopped, on the same channel, while the token that it came with is good. */
function enumerateNext({ context, environment, policy, session }: Call, next: number): CborMap {
  const enumeration = session.enumerations.get(next);
  session.enumerations.delete(next);
  const isContinued = enumeration?.channel === context.channel && session.pinUvAuth.isValid(enumeration.token);
  if (!isContinued) throw new CtapError('NOT_ALLOWED');
  const { value: answer } = enumeration.answers.next();
  if (!answer) throw new CtapError('NOT_ALLOWED');
  const expiresAt = environment.clock.monotonic() + policy.enumerationTimeoutMs;
  session.enumerations.set(next, { ...enumeration, expiresAt });
  return answer;
}

/** Made one at a time, since there may be very many. */
function* describeAll<T>(items: readonly T[], describe: (item: T) => CborMap): Generator<CborMap, undefined> {
  for (const item of items) yield describe(item);
}

function describeRelyingParty({ rpId, rpIdHash, rpName }: RelyingParty): CborMap {
  return new Map<number, CborValue>([
    [Response.rp, namedMembers({ id: rpId, name: rpName })],
    [Response.rpIDHash, rpIdHash],
  ]);
}

function describeCredential(credential: Credential, reportsPayment: boolean): CborMap {
  const { id, name, displayName } = credential.user;
  return new Map<number, CborValue | undefined>([
    [Response.user, namedMembers({ id, name, displayName })],
    [Response.credentialID, namedMembers({ id: credential.id, type: 'public-key' })],
    [Response.publicKey, coseKey(credential.algorithm, credential.publicKey)],
    [Response.credProtect, credential.credProtect],
    [Response.largeBlobKey, credential.largeBlobKey],
    [Response.thirdPartyPayment, reportsPayment ? credential.thirdPartyPayment : undefined],
  ]);
}

function namedMembers(members: Record<string, CborValue | undefined>): CborMap {
  return new Map(Object.entries(members));
}
