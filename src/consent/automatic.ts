// Gates that ask nobody: `always`, `never`, and `scripted`, which a test steers while the daemon runs.

import type { Answer, Prompt, UserGate } from '../../ctap/env.ts';
import type { ScriptedMode } from '../control/protocol.ts';
import { untilCancelled } from './deadline.ts';

/** A gate that answers at once: its questions need neither a deadline nor a way to withdraw them. */
export interface ImmediateGate extends UserGate {
  readonly answersAtOnce: true;
}

function answering(canVerify: boolean, answer: Answer): ImmediateGate {
  const [answered, declined] = [Promise.resolve(answer), Promise.resolve<Answer>({ kind: 'declined' })];
  // Where more than a touch is asked for, nobody is there to give it.
  return { answersAtOnce: true, canVerify, ask: (prompt) => (isLongTouch(prompt) ? declined : answered) };
}

function isLongTouch(prompt: Prompt): boolean {
  return prompt.kind === 'reset' && prompt.long === true;
}

/** Approves everything but a long touch. Any program that can open the device can then use every credential unseen. */
export const approveAlways = answering(false, { kind: 'approved', verified: false });

/** The same, and lets that count as user verification. For tests. */
export const verifyAlways = answering(true, { kind: 'approved', verified: true });

/** Declines everything. */
export const declineAlways = answering(false, { kind: 'declined' });

/** A finger that a test moves: it starts withheld (`never`). */
export class ScriptedGate implements UserGate {
  readonly canVerify: boolean;
  #mode: ScriptedMode = 'never';
  #waiting: (() => void)[] = [];

  /** @param canVerify whether its touches count as user verification, too. */
  constructor(canVerify = false) {
    this.canVerify = canVerify;
  }

  /** `always`: every touch from now on; `once`: one touch, for a request that waits or the next; `never`: none. */
  set(mode: ScriptedMode): void {
    this.#mode = mode;
    while (this.#mode !== 'never' && this.#waiting.length > 0) {
      this.#waiting.shift()?.();
      this.#spend();
    }
  }

  ask(...[, signal]: Parameters<UserGate['ask']>): Promise<Answer> {
    const approved: Answer = { kind: 'approved', verified: this.canVerify };
    if (this.#mode !== 'never') {
      this.#spend();
      return Promise.resolve(approved);
    }
    return new Promise((resolve) => {
      const touch = () => resolve(approved);
      this.#waiting.push(touch);
      void untilCancelled(signal).then((answer) => {
        this.#waiting = this.#waiting.filter((other) => other !== touch);
        resolve(answer);
      });
    });
  }

  #spend(): void {
    if (this.#mode === 'once') this.#mode = 'never';
  }
}
