// authenticatorSelection (0x0B): the person shows by a touch which key they mean. CTAP 2.1 §6.9.

import type { Call } from '../call.ts';

/** @throws CtapError OPERATION_DENIED, USER_ACTION_TIMEOUT, KEEPALIVE_CANCEL. */
export async function selection(call: Call): Promise<undefined> {
  await call.approve({ kind: 'select' });
}
