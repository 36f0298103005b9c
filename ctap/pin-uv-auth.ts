// The pinUvAuthToken: who holds it has proved, by PIN or by built-in user verification, to be the owner, and may do for
// a while what its permissions say. CTAP 2.1 §6.5.2 to §6.5.5; the persistent token: CTAP 2.2 §6.5.2.4.

import type { Call } from './call.ts';
import type { Environment } from './env.ts';
import { createPinProtocols, type PinProtocol } from './pin-protocol.ts';
import { CtapError } from './status.ts';
import { Permission } from './wire.ts';

/** A token must be used within this time. CTAP 2.1 §6.5.2.1: 30 s at most for USB. */
const initialUsageLimitMs = 30_000;
/** How long an interaction at built-in verification stands for a touch. CTAP 2.1 §6.5.2.1. */
const userPresentLimitMs = 30_000;
/** No token lives longer. CTAP 2.1 §6.5.2.1. */
const maxUsageMs = 600_000;

/** The only token in use: getting one makes those of all protocols void. CTAP 2.1 §6.5.5.7. */
interface Token {
  readonly protocol: PinProtocol;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
  /** By the steady clock. */
  readonly startedAt: number;
  permissions: number;
  rpId: string | undefined;
  userVerified: boolean;
  userPresent: boolean;
  used: boolean;
}

/** What a session knows about PIN and user verification; all of it is gone with the power. */
export class PinUvAuth {
  /** The preferred one first. */
  readonly protocols: readonly PinProtocol[];
  /** Wrong PINs in a row since power-up. CTAP 2.1 §6.5.2.2. */
  consecutivePinMismatches = 0;
  readonly #environment: Environment;
  #token: Token | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.protocols = createPinProtocols(environment.crypto);
  }

  /** @throws CtapError INVALID_PARAMETER if there is no such protocol. */
  protocol(id: number): PinProtocol {
    const found = this.protocols.find((protocol) => protocol.id === id);
    if (!found) throw new CtapError('INVALID_PARAMETER');
    return found;
  }

  /** resetPinUvAuthToken for all protocols: no token is valid any more. */
  reset(): void {
    this.#token = undefined;
  }

  /** Overwrites the token and the keys of the key agreement; wrong PINs in a row are still remembered. */
  wipe(): void {
    this.#token?.bytes.fill(0);
    this.#token = undefined;
    for (const protocol of this.protocols) protocol.regenerate();
  }

  /** Makes every token void and a new one, 32 bytes, valid. */
  beginUsing(use: {
    readonly protocol: PinProtocol;
    /** Bits of `Permission`. */
    readonly permissions: number;
    /** Undefined: any relying party, until makeCredential or getAssertion binds it. */
    readonly rpId: string | undefined;
    /** Whether getting the token included a touch that still counts. */
    readonly userIsPresent: boolean;
  }): Uint8Array {
    const { clock, crypto } = this.#environment;
    const { protocol, permissions, rpId, userIsPresent } = use;
    const bytes = crypto.randomBytes(32);
    const startedAt = clock.monotonic();
    this.#token = {
      ...{ protocol, bytes, startedAt, permissions, rpId },
      ...{ userVerified: true, userPresent: userIsPresent, used: false },
    };
    return bytes;
  }

  /**
   * Counts as a use of the token, which it gives back; 32 bytes.
   * @throws CtapError PIN_AUTH_INVALID if `mac` was not made over `message` with the valid token under this protocol;
   *   INVALID_PARAMETER if there is no such protocol.
   */
  verifyToken(protocol: number, message: Uint8Array, mac: Uint8Array): Uint8Array {
    const asked = this.protocol(protocol);
    const token = this.#tokenInUse();
    if (token?.protocol !== asked || !asked.verify(token.bytes, message, mac)) throw new CtapError('PIN_AUTH_INVALID');
    token.used = true;
    return token.bytes;
  }

  /**
   * The persistent token, 32 bytes, if `mac` was made with it.
   * @throws CtapError INVALID_PARAMETER if there is no such protocol.
   */
  verifyPersistentToken(protocol: number, message: Uint8Array, mac: Uint8Array): Uint8Array | undefined {
    const asked = this.protocol(protocol);
    const token = this.#environment.vault.device.persistentPinUvAuthToken;
    return token && asked.verify(token, message, mac) ? token : undefined;
  }

  /** Whether `token`, temporary or persistent, is still good: not expired, replaced, or spent. */
  isValid(token: Uint8Array): boolean {
    const { crypto, vault } = this.#environment;
    const temporary = this.userVerified ? this.#token?.bytes : undefined;
    const persistent = vault.device.persistentPinUvAuthToken;
    return [temporary, persistent].some((valid) => valid && crypto.equal(valid, token));
  }

  /** @throws CtapError PIN_AUTH_INVALID if the token in use does not have the permission. */
  requirePermission(permission: number): void {
    if (((this.#tokenInUse()?.permissions ?? 0) & permission) === 0) throw new CtapError('PIN_AUTH_INVALID');
  }

  /** Binds the token to this relying party. @throws CtapError PIN_AUTH_INVALID if it is bound to another. */
  bindTo(rpId: string): void {
    const token = this.#tokenInUse();
    if (!token || (token.rpId ?? rpId) !== rpId) throw new CtapError('PIN_AUTH_INVALID');
    token.rpId = rpId;
  }

  /** The relying party that the token in use is bound to. */
  get permissionsRpId(): string | undefined {
    return this.#tokenInUse()?.rpId;
  }

  /** Whether there is a token that has not expired. */
  get isInUse(): boolean {
    return this.#tokenInUse() !== undefined;
  }

  /** getUserVerifiedFlagValue. */
  get userVerified(): boolean {
    return this.#tokenInUse()?.userVerified ?? false;
  }

  /** getUserPresentFlagValue. */
  get userPresent(): boolean {
    return this.#tokenInUse()?.userPresent ?? false;
  }

  /** clearUserPresentFlag, clearUserVerifiedFlag and clearPinUvAuthTokenPermissionsExceptLbw: a touch was spent. */
  spendPresence(): void {
    const token = this.#tokenInUse();
    if (!token) return;
    token.userPresent = false;
    token.userVerified = false;
    token.permissions &= Permission.lbw;
  }

  /** The usage timer, read instead of run. CTAP 2.1 §6.5.3. */
  #tokenInUse(): Token | undefined {
    const token = this.#token;
    if (!token) return undefined;
    const age = this.#environment.clock.monotonic() - token.startedAt;
    if (age >= maxUsageMs || (age >= initialUsageLimitMs && !token.used)) this.#token = undefined;
    if (age >= userPresentLimitMs) token.userPresent = false;
    return this.#token;
  }
}

/** "Protected by some form of user verification": by a PIN or by a gate that verifies. CTAP 2.1 §6.1.2. */
export function isProtected({ environment: { gate, vault } }: Call): boolean {
  return gate.canVerify || vault.device.pin !== null;
}

/**
 * Insists on a token with a permission, as credentialManagement, largeBlobs and authenticatorConfig do. CTAP 2.1 §6.8,
 * §6.10, §6.11.
 * @returns the token, 32 bytes
 * @throws CtapError PUAT_REQUIRED without pinUvAuthParam, MISSING_PARAMETER without pinUvAuthProtocol, INVALID_PARAMETER
 *   for an unknown protocol, PIN_AUTH_INVALID if the token or its permissions do not fit; in this order.
 */
export function authorize(
  { session: { pinUvAuth } }: Call,
  request: {
    readonly pinUvAuthParam: Uint8Array | undefined;
    readonly pinUvAuthProtocol: number | undefined;
    readonly message: Uint8Array;
    /** One bit of `Permission`. */
    readonly permission: number;
  },
): Uint8Array {
  const { pinUvAuthParam, pinUvAuthProtocol, message, permission } = request;
  if (!pinUvAuthParam) throw new CtapError('PUAT_REQUIRED');
  if (pinUvAuthProtocol === undefined) throw new CtapError('MISSING_PARAMETER');
  const token = pinUvAuth.verifyToken(pinUvAuthProtocol, message, pinUvAuthParam);
  pinUvAuth.requirePermission(permission);
  return token;
}
