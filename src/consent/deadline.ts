// A person has so long and no longer: the gate that withdraws a question when its time is over, and the words for logs.

import type { Answer, CancelSignal, Prompt, UserGate } from '../../ctap/env.ts';

/** Why a question is withdrawn. One for all: making an AbortError for each request costs more than its signature. */
const settled = new Error('the question is settled');

/** A gate whose open questions can be withdrawn. */
export interface PatientGate extends UserGate {
  /** Answers `timed-out` to every question that is still open. */
  expire(): void;
}

/** Passes questions on to `gate`; answers `timed-out` after `timeoutMs` and `cancelled` once the request's signal aborts. */
export function withDeadline(gate: UserGate, timeoutMs: number): PatientGate {
  const open = new Set<() => void>();
  return {
    ...gate,
    expire: () => {
      for (const expireOne of open) expireOne();
    },
    ask: (prompt, signal) =>
      new Promise<Answer>((resolve, reject) => {
        const withdraw = new AbortController();
        const end = (answer: Answer) => {
          clearTimeout(timer);
          open.delete(expireOne);
          signal.removeEventListener('abort', cancel);
          resolve(answer);
          // Whoever still shows the question takes it away now.
          withdraw.abort(settled);
        };
        const cancel = () => end({ kind: 'cancelled' });
        const expireOne = () => end({ kind: 'timed-out' });
        const timer = setTimeout(expireOne, timeoutMs);
        if (signal.aborted) return cancel();
        open.add(expireOne);
        signal.addEventListener('abort', cancel);
        gate.ask(prompt, withdraw.signal).then(end, (error: unknown) => {
          reject(error);
          cancel();
        });
      }),
  };
}

/** The same for any gate: one that answers at once is asked directly, since it leaves no question open. */
export function patient(gate: UserGate, timeoutMs: number): PatientGate {
  return 'answersAtOnce' in gate ? { ...gate, expire: () => undefined } : withDeadline(gate, timeoutMs);
}

/** Resolves with `cancelled` when the signal aborts: for gates that never answer by themselves. */
export function untilCancelled(signal: CancelSignal): Promise<Answer> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve({ kind: 'cancelled' });
    else signal.addEventListener('abort', () => resolve({ kind: 'cancelled' }));
  });
}

/** The question in words, without a question mark: `sign in to example.com as alice`. */
export function describePrompt(prompt: Prompt): string {
  switch (prompt.kind) {
    case 'register':
      return `register with ${prompt.rpId}${prompt.userName ? ` as ${prompt.userName}` : ''}`;
    case 'sign-in':
      return `sign in to ${prompt.rpId}${prompt.accounts.length > 0 ? ` as ${prompt.accounts.join(' or ')}` : ''}`;
    case 'already-registered':
      return `tell ${prompt.rpId} that this key is registered already`;
    case 'u2f-register':
      return `register with a website (U2F, application ${prompt.applicationHash.slice(0, 16)}…)`;
    case 'u2f-sign-in':
      return `sign in to a website (U2F, application ${prompt.applicationHash.slice(0, 16)}…)`;
    case 'verify':
      return `act for you${prompt.rpId ? ` at ${prompt.rpId}` : ''}`;
    case 'unlock':
      return 'use the vault, which is locked';
    case 'reset':
      return 'ERASE this key: every credential on it will be gone for good';
    case 'select':
      return 'use this key (a program asks which of several keys to take)';
  }
}
