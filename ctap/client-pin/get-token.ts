// Getting a pinUvAuthToken: by PIN (subcommands 0x05 and 0x09) or by built-in user verification (0x06).
// CTAP 2.1 §6.5.5.7, whose step numbers the comments bear; the permission pcmr: CTAP 2.2.

import { performBuiltInUv } from '../built-in-uv.ts';
import type { Call } from '../call.ts';
import { type CborMap, text, unsigned } from '../cbor.ts';
import type { PinProtocol, SharedSecret } from '../pin-protocol.ts';
import { CtapError } from '../status.ts';
import { Permission, ClientPinRequest as Request, ClientPinResponse as Response } from '../wire.ts';
import { checkPin, requirePin } from './check-pin.ts';
import { protocolOf, readKeyAgreement, readPinHashEnc } from './request.ts';

const allPermissions = Object.values(Permission).reduce((all, permission) => all | permission, 0);

/**
 * getPinToken (0x05), for platforms of CTAP 2.0: a token for registrations and sign-ins, at the first relying party
 * that it is used for. §6.5.5.7.1.
 * @throws CtapError PIN_NOT_SET, PIN_INVALID, PIN_AUTH_BLOCKED, PIN_BLOCKED, INVALID_PARAMETER.
 */
export async function getPinToken(call: Call): Promise<CborMap> {
  const request = readKeyAgreement(call);
  const pinHashEnc = readPinHashEnc(call);
  const protocol = protocolOf(call, request);
  // Steps 3 and 4.
  const { permissions, rpId } = readScope(call);
  if (permissions !== undefined || rpId !== undefined) throw new CtapError('INVALID_PARAMETER');
  const pin = requirePin(call);
  const secret = protocol.decapsulate(request.keyAgreement);
  await checkPin(call, pin, protocol, secret, pinHashEnc);
  // Step 11.
  if (call.environment.vault.device.forcePINChange) throw new CtapError('PIN_INVALID');
  return newToken(call, protocol, secret, { permissions: Permission.mc | Permission.ga, userIsPresent: false });
}

/**
 * getPinUvAuthTokenUsingPinWithPermissions (0x09). §6.5.5.7.2.
 * @throws CtapError UNAUTHORIZED_PERMISSION, PIN_POLICY_VIOLATION while the PIN must be changed; as `getPinToken`.
 */
export async function getTokenUsingPin(call: Call): Promise<CborMap> {
  const request = readKeyAgreement(call);
  const pinHashEnc = readPinHashEnc(call);
  const requested = call.parameters.required(Request.permissions, unsigned);
  const protocol = protocolOf(call, request);
  const { rpId } = readScope(call);
  // Steps 3 and 4.
  const permissions = availablePermissions(requested, rpId);
  const pin = requirePin(call);
  const secret = protocol.decapsulate(request.keyAgreement);
  await checkPin(call, pin, protocol, secret, pinHashEnc);
  // Step 11.
  if (call.environment.vault.device.forcePINChange) throw new CtapError('PIN_POLICY_VIOLATION');
  // Step 12.
  if (permissions === Permission.pcmr) return persistentToken(call, secret);
  return newToken(call, protocol, secret, { permissions, rpId, userIsPresent: false });
}

/**
 * getPinUvAuthTokenUsingUvWithPermissions (0x06). §6.5.5.7.3.
 * @throws CtapError UNAUTHORIZED_PERMISSION, INVALID_PARAMETER, UV_INVALID, UV_BLOCKED, USER_ACTION_TIMEOUT,
 *   OPERATION_DENIED, KEEPALIVE_CANCEL.
 */
export async function getTokenUsingUv(call: Call): Promise<CborMap> {
  const { device } = call.environment.vault;
  const request = readKeyAgreement(call);
  const requested = call.parameters.required(Request.permissions, unsigned);
  const protocol = protocolOf(call, request);
  const { rpId } = readScope(call);
  // Steps 3 and 4.
  const permissions = availablePermissions(requested, rpId);
  // Step 7.
  if (device.uvRetries === 0) throw new CtapError('UV_BLOCKED');
  const secret = protocol.decapsulate(request.keyAgreement);
  // Steps 6, 8 to 10.
  const internalRetry = call.policy.preferredPlatformUvAttempts <= 1;
  const outcome = await performBuiltInUv(call, { kind: 'verify', ...(rpId !== undefined && { rpId }) }, internalRetry);
  if (outcome === 'timed-out') throw new CtapError('USER_ACTION_TIMEOUT');
  if (outcome === 'declined') throw new CtapError('OPERATION_DENIED');
  if (outcome === 'failed')
    throw new CtapError(call.environment.vault.device.uvRetries === 0 ? 'UV_BLOCKED' : 'UV_INVALID');
  // Step 11.
  if (permissions === Permission.pcmr) return persistentToken(call, secret);
  return newToken(call, protocol, secret, { permissions, rpId, userIsPresent: true });
}

function readScope({ parameters }: Call) {
  return {
    permissions: parameters.optional(Request.permissions, unsigned),
    rpId: parameters.optional(Request.rpId, text),
  };
}

/**
 * The permissions without undefined bits.
 * @throws CtapError INVALID_PARAMETER for none at all, or one that needs an RP ID; UNAUTHORIZED_PERMISSION.
 */
function availablePermissions(requested: number, rpId: string | undefined): number {
  const { mc, ga, be, pcmr } = Permission;
  const permissions = requested & allPermissions;
  if (requested === 0) throw new CtapError('INVALID_PARAMETER');
  if ((permissions & (mc | ga)) !== 0 && rpId === undefined) throw new CtapError('INVALID_PARAMETER');
  const isMixed = (permissions & pcmr) !== 0 && permissions !== pcmr;
  // There are no fingerprints to enroll.
  if ((permissions & be) !== 0 || isMixed) throw new CtapError('UNAUTHORIZED_PERMISSION');
  return permissions;
}

function newToken(
  { session }: Call,
  protocol: PinProtocol,
  secret: SharedSecret,
  use: { permissions: number; rpId?: string | undefined; userIsPresent: boolean },
): CborMap {
  const { permissions, rpId, userIsPresent } = use;
  const token = session.pinUvAuth.beginUsing({ protocol, permissions, rpId, userIsPresent });
  return new Map([[Response.pinUvAuthToken, secret.encrypt(token)]]);
}

/** Made when first asked for. It touches no other token. */
async function persistentToken(call: Call, secret: SharedSecret): Promise<CborMap> {
  const { crypto, vault } = call.environment;
  const token = vault.device.persistentPinUvAuthToken ?? crypto.randomBytes(32);
  if (!vault.device.persistentPinUvAuthToken) {
    await call.commit((tx) => tx.setDevice({ persistentPinUvAuthToken: token }));
  }
  return new Map([[Response.pinUvAuthToken, secret.encrypt(token)]]);
}
