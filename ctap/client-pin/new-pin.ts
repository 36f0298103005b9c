// What makes a new PIN acceptable, and what is kept of it. CTAP 2.1 §6.5.5.5, §6.5.5.6.

import type { Call } from '../call.ts';
import type { Crypto, PinState } from '../env.ts';
import type { SharedSecret } from '../pin-protocol.ts';
import { CtapError } from '../status.ts';

/** Every PIN travels in as many bytes, the rest of them zeros. */
const paddedLength = 64;

/**
 * The PIN, without its padding: UTF-8 as the platform sent it.
 * @throws CtapError PIN_AUTH_INVALID, INVALID_PARAMETER; PIN_POLICY_VIOLATION if it is too short, too long or too simple.
 */
export function readNewPin({ environment, policy }: Call, secret: SharedSecret, newPinEnc: Uint8Array): Uint8Array {
  const { minPINLength, pinComplexityPolicy } = environment.vault.device;
  const padded = secret.decrypt(newPinEnc);
  if (!padded) throw new CtapError('PIN_AUTH_INVALID');
  if (padded.length < paddedLength) throw new CtapError('INVALID_PARAMETER');
  const pin = padded.subarray(0, padded.findLastIndex((byte) => byte !== 0) + 1);
  const length = codePointsIn(pin);
  const fitsPadding = padded.length === paddedLength && pin.length < paddedLength;
  const fits = fitsPadding && length >= minPINLength && length <= policy.maxPINLength;
  if (!fits || (pinComplexityPolicy && isSimple(pin))) throw new CtapError('PIN_POLICY_VIOLATION');
  return pin;
}

/** LEFT(SHA-256(PIN), 16): what a platform sends to prove that it knows the PIN. */
export function pinHash(crypto: Crypto, pin: Uint8Array): Uint8Array {
  return crypto.sha256(pin).subarray(0, 16);
}

/** What is kept of a PIN. */
export function pinState(crypto: Crypto, pin: Uint8Array): PinState {
  const salt = crypto.randomBytes(16);
  return { salt, verifier: crypto.hmacSha256(salt, pinHash(crypto, pin)), codePointLength: codePointsIn(pin) };
}

/** Whether the hash is that of the PIN; compares in constant time. */
export function fitsPin(crypto: Crypto, { salt, verifier }: PinState, hash: Uint8Array): boolean {
  return crypto.equal(crypto.hmacSha256(salt, hash), verifier);
}

/** Bytes that do not continue a code point. */
function codePointsIn(utf8: Uint8Array): number {
  return utf8.filter((byte) => byte >> 6 !== 0b10).length;
}

/** One byte over and over, or an unbroken run up or down such as 1234 or dcba. */
function isSimple(pin: Uint8Array): boolean {
  const steps = new Set(pin.subarray(1).map((byte, i) => byte - (pin[i] ?? 0)));
  return steps.size === 1 && [0, 1, 0xff].some((step) => steps.has(step));
}
