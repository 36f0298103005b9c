// Checking a PIN: a try is spent before it is made, so that pulling the plug gives none back. CTAP 2.1 §6.5.5.6 steps 6
// to 8, §6.5.5.7.1 steps 8 to 10.

import type { Call } from '../call.ts';
import { maxPinRetries, maxUvRetries } from '../device-state.ts';
import type { PinState } from '../env.ts';
import type { PinProtocol, SharedSecret } from '../pin-protocol.ts';
import { CtapError } from '../status.ts';
import { fitsPin } from './new-pin.ts';

/** Wrong PINs in a row before the key must be pulled out. CTAP 2.1 §6.5.2.2. */
const maxConsecutiveMismatches = 3;

/** Whether only a power cycle lets a PIN be tried again. */
export function needsPowerCycle({ session }: Call): boolean {
  return session.pinUvAuth.consecutivePinMismatches >= maxConsecutiveMismatches;
}

/** The PIN that can be tried now. @throws CtapError PIN_NOT_SET, PIN_BLOCKED, PIN_AUTH_BLOCKED. */
export function requirePin(call: Call): PinState {
  const { pin, pinRetries } = call.environment.vault.device;
  if (!pin) throw new CtapError('PIN_NOT_SET');
  if (pinRetries === 0) throw new CtapError('PIN_BLOCKED');
  if (needsPowerCycle(call)) throw new CtapError('PIN_AUTH_BLOCKED');
  return pin;
}

/**
 * Goes on if the hash is that of the PIN, and gives all tries back.
 * @throws CtapError PIN_INVALID, PIN_AUTH_BLOCKED, PIN_BLOCKED.
 */
export async function checkPin(
  call: Call,
  pin: PinState,
  protocol: PinProtocol,
  secret: SharedSecret,
  pinHashEnc: Uint8Array,
): Promise<void> {
  const { crypto, vault } = call.environment;
  const { pinUvAuth } = call.session;
  await call.commit((tx) => tx.setDevice({ pinRetries: vault.device.pinRetries - 1 }));
  const hash = secret.decrypt(pinHashEnc);
  if (!hash || !fitsPin(crypto, pin, hash)) {
    protocol.regenerate();
    pinUvAuth.consecutivePinMismatches++;
    if (vault.device.pinRetries === 0) throw new CtapError('PIN_BLOCKED');
    throw new CtapError(needsPowerCycle(call) ? 'PIN_AUTH_BLOCKED' : 'PIN_INVALID');
  }
  pinUvAuth.consecutivePinMismatches = 0;
  await vault.update((tx) => tx.setDevice({ pinRetries: maxPinRetries, uvRetries: maxUvRetries }));
}
