// What a key refuses because of its PIN, in words that say how many tries are left and what helps.

import { exitCode, UserError } from '../errors.ts';
import { CtapStatusError } from '../platform/ctap-status-error.ts';
import type { PinClient } from '../platform/pin-client.ts';
import type { KeyFlags } from './ctap-session.ts';

/** Does what takes a PIN. `onPolicy` says what it means if the key answers that its policy forbids that. */
export async function withPinRefusals<T>(
  pins: PinClient,
  { device }: KeyFlags,
  onPolicy: UserError,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof CtapStatusError)) throw error;
    const isOurs = device === undefined;
    switch (error.statusName) {
      case 'PIN_INVALID':
        throw new UserError(`wrong PIN: ${await triesLeft(pins)}`, undefined, exitCode.pin);
      case 'PIN_AUTH_BLOCKED':
        throw new UserError(
          `too many wrong PINs in a row: ${await triesLeft(pins)}`,
          isOurs ? 'unplug the key and plug it in again: `passfob replug`' : 'unplug the key and plug it in again',
          exitCode.pin,
        );
      case 'PIN_BLOCKED':
        throw new UserError(
          'the PIN is blocked for good',
          `only a reset helps, and erases every credential${isOurs ? ': `passfob reset`' : ''}`,
          exitCode.pin,
        );
      case 'PIN_POLICY_VIOLATION':
        throw onPolicy;
      default:
        throw error;
    }
  }
}

async function triesLeft(pins: PinClient): Promise<string> {
  const { retries } = await pins.retries();
  return retries === 1 ? '1 try left, then it is blocked for good' : `${retries} tries left`;
}

/** A PIN that may no longer be used for anything but its change. */
export function pinMustChange(): UserError {
  return new UserError('the PIN must be changed first', 'with `passfob pin change`', exitCode.pin);
}
