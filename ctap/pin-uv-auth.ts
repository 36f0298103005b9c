// pinUvAuthParam in makeCredential and getAssertion, for an authenticator without PIN/UV auth protocols.

import type { Call } from './call.ts';
import { CtapError } from './status.ts';

/**
 * Steps 1 and 2 of both commands. A zero-length pinUvAuthParam only asks which key the person means, by a touch, and
 * never succeeds. CTAP 2.1 §6.1.2, §6.2.2.
 * @throws CtapError PIN_NOT_SET after a touch, OPERATION_DENIED without one; MISSING_PARAMETER, INVALID_PARAMETER.
 */
export async function checkPinUvAuthParam(
  call: Call,
  pinUvAuthParam: Uint8Array | undefined,
  pinUvAuthProtocol: number | undefined,
): Promise<void> {
  if (!pinUvAuthParam) return;
  if (pinUvAuthParam.length === 0) {
    const answer = await call.ask({ kind: 'select' });
    throw new CtapError(answer.kind === 'approved' ? 'PIN_NOT_SET' : 'OPERATION_DENIED');
  }
  throw new CtapError(pinUvAuthProtocol === undefined ? 'MISSING_PARAMETER' : 'INVALID_PARAMETER');
}
