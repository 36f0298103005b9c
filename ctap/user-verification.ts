// User verification and user presence in makeCredential and getAssertion: by a pinUvAuthToken, by the gate itself, or
// not at all. CTAP 2.1 §6.1.2 steps 1, 2, 5 to 7, 11, 13, 14; §6.2.2 steps 1, 2, 4 to 6, 8, 9.

import { performBuiltInUv } from './built-in-uv.ts';
import type { Call } from './call.ts';
import type { Prompt } from './env.ts';
import { isProtected } from './pin-uv-auth.ts';
import { CtapError } from './status.ts';
import { Flag, type Permission } from './wire.ts';

/** A claim to hold a pinUvAuthToken, not yet checked. */
export interface TokenProof {
  readonly pinUvAuthParam: Uint8Array;
  /** One that is supported. */
  readonly pinUvAuthProtocol: number;
}

/** How the user was verified for one request. */
export type Verification = 'none' | 'token' | 'built-in';

/**
 * Steps 1 and 2 of both commands. A zero-length pinUvAuthParam only asks which key the person means, by a touch, and
 * never succeeds.
 * @throws CtapError after a touch PIN_INVALID, or PIN_NOT_SET where none is set; OPERATION_DENIED without a touch;
 *   MISSING_PARAMETER, INVALID_PARAMETER.
 */
export async function readTokenProof(
  call: Call,
  pinUvAuthParam: Uint8Array | undefined,
  pinUvAuthProtocol: number | undefined,
): Promise<TokenProof | undefined> {
  const { environment, session } = call;
  if (!pinUvAuthParam) return undefined;
  if (pinUvAuthParam.length === 0) {
    const answer = await call.ask({ kind: 'select' });
    if (answer.kind !== 'approved') throw new CtapError('OPERATION_DENIED');
    throw new CtapError(environment.vault.device.pin ? 'PIN_INVALID' : 'PIN_NOT_SET');
  }
  if (pinUvAuthProtocol === undefined) throw new CtapError('MISSING_PARAMETER');
  session.pinUvAuth.protocol(pinUvAuthProtocol);
  return { pinUvAuthParam, pinUvAuthProtocol };
}

/**
 * The option `uv` that counts: the request's, which a token replaces. §6.1.2 steps 5.1 to 5.3, §6.2.2 steps 4.1 to 4.3.
 * @throws CtapError INVALID_OPTION without built-in user verification.
 */
export function readUvOption({ environment }: Call, proof: TokenProof | undefined, uv: boolean | undefined): boolean {
  if (proof || !uv) return false;
  if (!environment.gate.canVerify) throw new CtapError('INVALID_OPTION');
  return true;
}

/**
 * What alwaysUv makes of the option `uv`. §6.1.2 step 6, §6.2.2 step 5.
 * @throws CtapError PUAT_REQUIRED if only a token could verify the user and there is none.
 */
export function applyAlwaysUv(call: Call, proof: TokenProof | undefined, uv: boolean): boolean {
  const { gate, vault } = call.environment;
  if (!vault.device.alwaysUv) return uv;
  if (proof && isProtected(call)) return false;
  if (proof || !gate.canVerify) throw new CtapError('PUAT_REQUIRED');
  return true;
}

/**
 * Verifies the user as the request asks for. §6.1.2 step 11, §6.2.2 step 6.
 * @throws CtapError PIN_AUTH_INVALID, USER_ACTION_TIMEOUT, PUAT_REQUIRED, PIN_BLOCKED, OPERATION_DENIED;
 *   PIN_NOT_SET for a token of a key that gives none, which the specification leaves open. docs/spec-decisions.md.
 */
export async function verifyUser(
  call: Call,
  request: {
    readonly proof: TokenProof | undefined;
    readonly uv: boolean;
    readonly clientDataHash: Uint8Array;
    readonly permission: typeof Permission.mc | typeof Permission.ga;
    readonly rpId: string;
    readonly prompt: Prompt;
  },
): Promise<Verification> {
  const { proof, permission, rpId } = request;
  const { pinUvAuth } = call.session;
  if (proof) {
    if (!isProtected(call)) throw new CtapError('PIN_NOT_SET');
    pinUvAuth.verifyToken(proof.pinUvAuthProtocol, request.clientDataHash, proof.pinUvAuthParam);
    pinUvAuth.requirePermission(permission);
    if (!pinUvAuth.userVerified) throw new CtapError('PIN_AUTH_INVALID');
    pinUvAuth.bindTo(rpId);
    return 'token';
  }
  if (!request.uv) return 'none';
  const outcome = await performBuiltInUv(call, request.prompt, true);
  if (outcome === 'verified') return 'built-in';
  if (outcome === 'timed-out') throw new CtapError('USER_ACTION_TIMEOUT');
  // A person who said no is not asked again for a PIN.
  if (outcome === 'declined') throw new CtapError('OPERATION_DENIED');
  const { pin, uvRetries } = call.environment.vault.device;
  if (pin) throw new CtapError('PUAT_REQUIRED');
  throw new CtapError(uvRetries === 0 ? 'PIN_BLOCKED' : 'OPERATION_DENIED');
}

/** Whether the verification itself shows that someone is there, so that nobody is asked again. */
export function includesPresence({ session }: Call, verification: Verification): boolean {
  return verification === 'built-in' || (verification === 'token' && session.pinUvAuth.userPresent);
}

/**
 * Insists on a touch, unless the verification included it; and spends it. §6.1.2 steps 13 and 14, §6.2.2 steps 8 and 9.
 * @throws CtapError OPERATION_DENIED, USER_ACTION_TIMEOUT, KEEPALIVE_CANCEL.
 */
export async function requirePresence(call: Call, verification: Verification, prompt: Prompt): Promise<void> {
  if (!includesPresence(call, verification)) await call.approve(prompt);
  if (verification !== 'built-in') call.session.pinUvAuth.spendPresence();
}

/** The flag of the authenticator data. */
export function uvFlag(verification: Verification): number {
  return verification === 'none' ? 0 : Flag.UV;
}
