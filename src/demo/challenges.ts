// The challenges that are out: each is good for one answer, in the session that got it, for a limited time.

import { Refusal } from './refusal.ts';

/** What the relying party needs to remember between the options and the answer. */
export type Ceremony =
  | { readonly kind: 'register'; readonly userName: string; readonly userId: string; readonly requireUv: boolean }
  | { readonly kind: 'sign-in'; readonly userName: string | undefined; readonly requireUv: boolean };

interface Issued {
  readonly session: string;
  readonly ceremony: Ceremony;
  readonly expiresAt: number;
}

/** How long a person may take between the options and the answer. */
export const challengeLifetimeMs = 5 * 60_000;

/** More than this many at once, and the oldest are forgotten: nobody fills the memory with unanswered requests. */
const capacity = 1000;

export class Challenges {
  readonly #issued = new Map<string, Issued>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  issue(challenge: string, session: string, ceremony: Ceremony): void {
    this.#issued.set(challenge, { session, ceremony, expiresAt: this.#now() + challengeLifetimeMs });
    for (const oldest of this.#issued.keys()) {
      if (this.#issued.size <= capacity) {
        break;
      }
      this.#issued.delete(oldest);
    }
  }

  /**
   * Spends a challenge and says what it was issued for.
   * @throws Refusal if it was not issued to this session for this kind of ceremony, was answered before, or expired.
   */
  take<K extends Ceremony['kind']>(challenge: string, session: string, kind: K): Extract<Ceremony, { kind: K }> {
    const issued = this.#issued.get(challenge);
    if (issued?.session !== session || issued.ceremony.kind !== kind) {
      throw new Refusal(
        400,
        'unknown-challenge',
        'this request was not made here, or it was answered before; start again',
      );
    }
    this.#issued.delete(challenge);
    if (issued.expiresAt <= this.#now()) {
      throw new Refusal(400, 'expired-challenge', 'this request is too old; start again');
    }
    return issued.ceremony as Extract<Ceremony, { kind: K }>;
  }
}
