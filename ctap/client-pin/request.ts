// The parameters that subcommands of authenticatorClientPIN share. A missing one is found before an unsupported
// protocol, and that before anything else. CTAP 2.1 §6.5.5.

import type { Call } from '../call.ts';
import { bytes, integer, map } from '../cbor.ts';
import type { PinProtocol } from '../pin-protocol.ts';
import { ClientPinRequest as Request } from '../wire.ts';

/** @throws CtapError MISSING_PARAMETER, CBOR_UNEXPECTED_TYPE. */
export function readKeyAgreement({ parameters }: Call) {
  return {
    pinUvAuthProtocol: parameters.required(Request.pinUvAuthProtocol, integer),
    keyAgreement: parameters.required(Request.keyAgreement, map),
  };
}

/** @throws CtapError MISSING_PARAMETER, CBOR_UNEXPECTED_TYPE. */
export function readPinHashEnc({ parameters }: Call): Uint8Array {
  return parameters.required(Request.pinHashEnc, bytes);
}

/** @throws CtapError INVALID_PARAMETER if the protocol is not supported. */
export function protocolOf({ session }: Call, request: { readonly pinUvAuthProtocol: number }): PinProtocol {
  return session.pinUvAuth.protocol(request.pinUvAuthProtocol);
}
