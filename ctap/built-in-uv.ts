// Built-in user verification: the gate itself finds out who answers. CTAP 2.1 §6.5.3.1.

import type { Call } from './call.ts';
import { maxUvRetries } from './device-state.ts';
import type { Prompt } from './env.ts';

/** `failed`: not the owner, or no try is left. */
export type UvOutcome = 'verified' | 'failed' | 'declined' | 'timed-out';

/**
 * performBuiltInUv: asks for verification, once or, with `internalRetry`, until it succeeds or no try is left.
 * Only an answer of somebody else costs a try. docs/spec-decisions.md.
 * @throws CtapError KEEPALIVE_CANCEL.
 */
export async function performBuiltInUv(call: Call, prompt: Prompt, internalRetry: boolean): Promise<UvOutcome> {
  const { vault } = call.environment;
  // Whoever cannot remember the PIN shall not get in another way.
  if (vault.device.pin && vault.device.pinRetries === 0) await setUvRetries(call, 0);
  for (let tries = internalRetry ? maxUvRetries : 1; tries > 0 && vault.device.uvRetries > 0; tries--) {
    const answer = await call.ask({ ...prompt, verify: true });
    if (answer.kind !== 'approved') return answer.kind === 'timed-out' ? 'timed-out' : 'declined';
    await setUvRetries(call, answer.verified ? maxUvRetries : vault.device.uvRetries - 1);
    if (answer.verified) return 'verified';
  }
  return 'failed';
}

async function setUvRetries({ environment: { vault } }: Call, uvRetries: number): Promise<void> {
  if (vault.device.uvRetries !== uvRetries) await vault.update((tx) => tx.setDevice({ uvRetries }));
}
