// Gates that ask nobody: `always`, `never`, and `scripted`, which a test steers while the daemon runs.

import type { Answer, UserGate } from '../../ctap/env.ts';
import type { ScriptedMode } from '../control/protocol.ts';
import { untilCancelled } from './deadline.ts';

const approved: Answer = { kind: 'approved', verified: false };

/** Approves everything. Any program that can open the device can then use every credential unseen. */
export const approveAlways: UserGate = { ask: async () => approved };

/** Declines everything. */
export const declineAlways: UserGate = { ask: async () => ({ kind: 'declined' }) };

/** A finger that a test moves: it starts withheld (`never`). */
export class ScriptedGate implements UserGate {
  #mode: ScriptedMode = 'never';
  #waiting: (() => void)[] = [];

  /** `always`: every touch from now on; `once`: one touch, for a request that waits or the next; `never`: none. */
  set(mode: ScriptedMode): void {
    this.#mode = mode;
    while (this.#mode !== 'never' && this.#waiting.length > 0) {
      this.#waiting.shift()?.();
      this.#spend();
    }
  }

  ask(...[, signal]: Parameters<UserGate['ask']>): Promise<Answer> {
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
