// authenticatorGetNextAssertion (0x08): the next account of an authenticatorGetAssertion that found several.
// CTAP 2.1 §6.3.

import { assertion } from '../assertion.ts';
import type { Call } from '../call.ts';
import type { CborMap } from '../cbor.ts';
import { CtapError } from '../status.ts';

/** @throws CtapError NOT_ALLOWED if nothing is left, too much time has passed, the token has expired, or another channel asks. */
export function getNextAssertion({ context, environment, policy, session }: Call): CborMap {
  const next = session.nextAssertions;
  const now = environment.clock.monotonic();
  if (!next || next.channel !== context.channel) throw new CtapError('NOT_ALLOWED');
  const [account, ...accounts] = next.accounts;
  session.nextAssertions = undefined;
  const isOver = now > next.expiresAt || (next.endsWithToken && !session.pinUvAuth.isInUse);
  if (!account || isOver) throw new CtapError('NOT_ALLOWED');
  if (accounts.length > 0) {
    session.nextAssertions = { ...next, accounts, expiresAt: now + policy.nextAssertionTimeoutMs };
  }
  return assertion(environment, account, next, account.user);
}
