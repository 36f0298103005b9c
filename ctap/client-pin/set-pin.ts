// setPIN and changePIN: subcommands 0x03 and 0x04 of authenticatorClientPIN. CTAP 2.1 §6.5.5.5, §6.5.5.6, whose step
// numbers the comments bear.

import { concatBytes } from '@noble/hashes/utils.js';
import type { Call } from '../call.ts';
import { bytes } from '../cbor.ts';
import { maxPinRetries } from '../device-state.ts';
import { CtapError } from '../status.ts';
import { ClientPinRequest as Request } from '../wire.ts';
import { checkPin, requirePin } from './check-pin.ts';
import { fitsPin, pinHash, pinState, readNewPin } from './new-pin.ts';
import { protocolOf, readKeyAgreement, readPinHashEnc } from './request.ts';

/** @throws CtapError PIN_AUTH_INVALID, INVALID_PARAMETER, PIN_POLICY_VIOLATION. */
export async function setPin(call: Call): Promise<undefined> {
  const { crypto, vault } = call.environment;
  const { newPinEnc, pinUvAuthParam, ...request } = readRequest(call);
  const protocol = protocolOf(call, request);
  if (vault.device.pin) throw new CtapError('PIN_AUTH_INVALID');
  const secret = protocol.decapsulate(request.keyAgreement);
  if (!secret.verify(newPinEnc, pinUvAuthParam)) throw new CtapError('PIN_AUTH_INVALID');
  const pin = pinState(crypto, readNewPin(call, secret, newPinEnc));
  await call.commit((tx) => tx.setDevice({ pin, pinRetries: maxPinRetries }));
}

/** @throws CtapError PIN_NOT_SET, PIN_INVALID, PIN_AUTH_BLOCKED, PIN_BLOCKED; as `setPin`. */
export async function changePin(call: Call): Promise<undefined> {
  const { crypto, vault } = call.environment;
  const { newPinEnc, pinUvAuthParam, ...request } = readRequest(call);
  const pinHashEnc = readPinHashEnc(call);
  const protocol = protocolOf(call, request);
  const oldPin = requirePin(call);
  const secret = protocol.decapsulate(request.keyAgreement);
  // Step 5.
  if (!secret.verify(concatBytes(newPinEnc, pinHashEnc), pinUvAuthParam)) throw new CtapError('PIN_AUTH_INVALID');
  await checkPin(call, oldPin, protocol, secret, pinHashEnc);
  // Steps 9 to 14.
  const newPin = readNewPin(call, secret, newPinEnc);
  const isSame = fitsPin(crypto, oldPin, pinHash(crypto, newPin));
  if (vault.device.forcePINChange && isSame) throw new CtapError('PIN_POLICY_VIOLATION');
  // Steps 15 to 20: whoever got in with the old PIN is out.
  const pin = pinState(crypto, newPin);
  await call.commit((tx) => tx.setDevice({ pin, forcePINChange: false, persistentPinUvAuthToken: null }));
  call.session.pinUvAuth.reset();
}

function readRequest(call: Call) {
  const { parameters } = call;
  return {
    ...readKeyAgreement(call),
    newPinEnc: parameters.required(Request.newPinEnc, bytes),
    pinUvAuthParam: parameters.required(Request.pinUvAuthParam, bytes),
  };
}
