// authenticatorReset (0x07): back to the factory state, soon after power-up and with consent. CTAP 2.1 §6.6.

import type { Call } from '../call.ts';
import { PinUvAuth } from '../pin-uv-auth.ts';
import { CtapError } from '../status.ts';

/** @throws CtapError NOT_ALLOWED when too late; OPERATION_DENIED, USER_ACTION_TIMEOUT, KEEPALIVE_CANCEL. */
export async function reset(call: Call): Promise<undefined> {
  const { environment, policy, session } = call;
  if (environment.clock.monotonic() - session.poweredUpAt > policy.resetWindowMs) throw new CtapError('NOT_ALLOWED');
  await call.openVault();
  const { longTouchForReset } = environment.vault.device;
  await call.approve({ kind: 'reset', ...(longTouchForReset && { long: true }) });
  await call.commit((tx) => tx.reset());
  session.pinUvAuth = new PinUvAuth(environment);
}
