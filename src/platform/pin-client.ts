// authenticatorClientPIN as the platform speaks it: setting, changing and proving a PIN. The PIN itself never travels:
// the key gets it, or its hash, encrypted under a secret that both ends agree on. CTAP 2.1 §6.5.

import { createPinProtocols, type PinProtocol, type SharedSecret } from '../../ctap/pin-protocol.ts';
import { CtapError } from '../../ctap/status.ts';
import { ClientPinSubCommand as SubCommand } from '../../ctap/wire.ts';
import { createOpensslCrypto } from '../openssl.ts';
import type { AuthenticatorInfo } from './authenticator-info.ts';
import type { ClientPinAnswer, CtapClient, PinUvAuthToken, RequestOptions } from './ctap-client.ts';

const crypto = createOpensslCrypto();

/** The least that every key asks for, in code points. CTAP 2.1 §6.5.1. */
export const minPinLength = 4;
/** Bytes of UTF-8. CTAP 2.1 §6.5.1. */
export const maxPinBytes = 63;
/** A new PIN travels in as many bytes, so that nobody sees how long it is. */
const paddedPinBytes = 64;

/** What a token shall be good for. */
export interface TokenScope {
  /** Bits of `Permission`. */
  readonly permissions: number;
  readonly rpId?: string;
}

/**
 * A PIN as keys get it: UTF-8 in normalization form C, 4 code points at least and 63 bytes at most. CTAP 2.1 §6.5.1.
 * @throws RangeError in words for people, without the PIN
 */
export function encodePin(pin: string, minLength = minPinLength): Uint8Array {
  const normalized = pin.normalize('NFC');
  const encoded = new TextEncoder().encode(normalized);
  const length = [...normalized].length;
  if (length < minLength) throw new RangeError(`expected a PIN of at least ${minLength} characters, got ${length}`);
  if (encoded.length > maxPinBytes) {
    throw new RangeError(`expected a PIN of at most ${maxPinBytes} bytes, got ${encoded.length}`);
  }
  // The key could not tell it from the padding.
  if (encoded.at(-1) === 0) throw new RangeError('expected a PIN that does not end in a NUL character');
  return encoded;
}

/** Throws like CtapClient, and RangeError for what cannot be a PIN, which is then not sent. */
export class PinClient {
  readonly #ctap: CtapClient;
  readonly #protocol: PinProtocol;
  readonly #hasPermissions: boolean;

  /** Speaks the first of the key's protocols that it knows. @throws Error if there is none */
  constructor(ctap: CtapClient, { options, pinUvAuthProtocols = [1] }: AuthenticatorInfo) {
    const known = createPinProtocols(crypto);
    const protocol = pinUvAuthProtocols.map((id) => known.find((each) => each.id === id)).find(Boolean);
    if (!protocol)
      throw new Error(`expected a key with PIN/UV auth protocol 1 or 2, got one with ${pinUvAuthProtocols}`);
    this.#ctap = ctap;
    this.#protocol = protocol;
    this.#hasPermissions = options.get('pinUvAuthToken') === true;
  }

  /** The tries that are left, and whether the key must be plugged in anew before the next one. CTAP 2.1 §6.5.5.2. */
  async retries(options?: RequestOptions): Promise<{ retries: number; powerCycleNeeded: boolean }> {
    const { pinRetries, powerCycleState } = await this.#ctap.clientPin(
      { subCommand: SubCommand.getPINRetries },
      options,
    );
    return { retries: expected(pinRetries), powerCycleNeeded: powerCycleState ?? false };
  }

  /** The first PIN of a key. CTAP 2.1 §6.5.5.5. */
  async setPin(newPin: string, options?: RequestOptions): Promise<void> {
    const padded = pad(encodePin(newPin));
    const { secret, ...agreed } = await this.#agree(options);
    const newPinEnc = secret.encrypt(padded);
    const pinUvAuthParam = secret.authenticate(newPinEnc);
    await this.#ctap.clientPin({ subCommand: SubCommand.setPIN, ...agreed, newPinEnc, pinUvAuthParam }, options);
  }

  /** CTAP 2.1 §6.5.5.6. */
  async changePin(pin: string, newPin: string, options?: RequestOptions): Promise<void> {
    const [hash, padded] = [hashPin(pin), pad(encodePin(newPin))];
    const { secret, ...agreed } = await this.#agree(options);
    const [newPinEnc, pinHashEnc] = [secret.encrypt(padded), secret.encrypt(hash)];
    const pinUvAuthParam = secret.authenticate(Buffer.concat([newPinEnc, pinHashEnc]));
    const subCommand = SubCommand.changePIN;
    await this.#ctap.clientPin({ subCommand, ...agreed, newPinEnc, pinHashEnc, pinUvAuthParam }, options);
  }

  /** A key of CTAP 2.0 knows no permissions, and gives a token for registrations and sign-ins. CTAP 2.1 §6.5.5.7. */
  async getToken(pin: string, scope: TokenScope, options?: RequestOptions): Promise<PinUvAuthToken> {
    const hash = hashPin(pin);
    const { secret, ...agreed } = await this.#agree(options);
    const how = this.#hasPermissions
      ? { subCommand: SubCommand.getPinUvAuthTokenUsingPinWithPermissions, ...scope }
      : { subCommand: SubCommand.getPinToken };
    const answer = await this.#ctap.clientPin({ ...how, ...agreed, pinHashEnc: secret.encrypt(hash) }, options);
    return this.#readToken(secret, answer);
  }

  /** By the key's own means: a fingerprint, or a touch that counts. CTAP 2.1 §6.5.5.7.3. */
  async getTokenUsingUv(scope: TokenScope, options?: RequestOptions): Promise<PinUvAuthToken> {
    const { secret, ...agreed } = await this.#agree(options);
    const subCommand = SubCommand.getPinUvAuthTokenUsingUvWithPermissions;
    return this.#readToken(secret, await this.#ctap.clientPin({ subCommand, ...agreed, ...scope }, options));
  }

  /** The shared secret, and the parameters that let the key find it, too. */
  async #agree(options?: RequestOptions) {
    const pinUvAuthProtocol = this.#protocol.id;
    const subCommand = SubCommand.getKeyAgreement;
    const { keyAgreement } = await this.#ctap.clientPin({ subCommand, pinUvAuthProtocol }, options);
    const secret = this.#protocol.decapsulate(expected(keyAgreement));
    return { secret, pinUvAuthProtocol, keyAgreement: this.#protocol.publicKey };
  }

  #readToken(secret: SharedSecret, { pinUvAuthToken }: ClientPinAnswer): PinUvAuthToken {
    const protocol = this.#protocol;
    const token = expected(secret.decrypt(expected(pinUvAuthToken)));
    return {
      authenticate: (message) => ({
        pinUvAuthProtocol: protocol.id,
        pinUvAuthParam: protocol.authenticate(token, message),
      }),
    };
  }
}

/** What proves that one knows the PIN, 16 bytes. CTAP 2.1 §6.5.5.7. */
function hashPin(pin: string): Uint8Array {
  return crypto.sha256(encodePin(pin)).subarray(0, 16);
}

function pad(pin: Uint8Array): Uint8Array {
  const padded = new Uint8Array(paddedPinBytes);
  padded.set(pin);
  return padded;
}

/** @throws CtapError as for any answer that lacks a member */
function expected<T>(member: T | undefined): T {
  if (member === undefined) throw new CtapError('MISSING_PARAMETER');
  return member;
}
