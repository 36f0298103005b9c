// setMinPINLength: subcommand 0x03 of authenticatorConfig. CTAP 2.1 §6.11.4; pinComplexityPolicy: CTAP 2.2.

import type { Call } from './call.ts';
import { arrayOf, boolean, map, text, unsigned } from './cbor.ts';
import { CtapError } from './status.ts';
import { ConfigRequest, SetMinPINLengthParams as Params } from './wire.ts';

/** @throws CtapError PIN_POLICY_VIOLATION, PIN_NOT_SET, KEY_STORE_FULL. */
export async function setMinPinLength(call: Call): Promise<void> {
  const { environment, parameters, policy, session } = call;
  const { device } = environment.vault;
  const params = parameters.optional(ConfigRequest.subCommandParams, map);
  const minPINLength = params?.optional(Params.newMinPINLength, unsigned) ?? device.minPINLength;
  const rpIds = params?.optional(Params.minPinLengthRPIDs, arrayOf(text)) ?? [];
  const forceChangePin = params?.optional(Params.forceChangePin, boolean) ?? false;
  const complexity = params?.optional(Params.pinComplexityPolicy, boolean) ?? false;

  if (minPINLength < device.minPINLength || minPINLength > policy.maxPINLength) {
    throw new CtapError('PIN_POLICY_VIOLATION');
  }
  if (forceChangePin && !device.pin) throw new CtapError('PIN_NOT_SET');
  if (rpIds.length > policy.maxRPIDsForSetMinPINLength) throw new CtapError('KEY_STORE_FULL');
  const isTooShort = device.pin !== null && device.pin.codePointLength < minPINLength;
  const forcePINChange = device.forcePINChange || forceChangePin || isTooShort;
  await call.commit((tx) =>
    tx.setDevice({
      minPINLength,
      forcePINChange,
      pinComplexityPolicy: device.pinComplexityPolicy || complexity,
      // An empty list changes nothing.
      ...(rpIds.length > 0 && { minPinLengthRPIDs: rpIds }),
    }),
  );
  // Whoever has a token shall feel that the PIN must be changed. CTAP 2.3.
  if (forcePINChange && !device.forcePINChange) session.pinUvAuth.reset();
}
