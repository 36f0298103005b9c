// When a key's vault is locked and how it is opened again: by the person's word, after a time without use, with the
// screen; opened by whoever knows how, when the first request needs it.

import type { Answer, CancelSignal, UserGate } from '../../ctap/env.ts';
import { type OpenVault, type Unlock, VaultError } from '../../store/vault.ts';
import { type PatientGate, untilCancelled, withDeadline } from '../consent/deadline.ts';
import type { Log } from '../log.ts';
import type { LockableVault } from './lockable-vault.ts';

/** Longer than for a touch: a passphrase is to be typed, maybe in a terminal that is to be found first. */
export const unlockTimeoutMs = 120_000;

/** The longest that a timer can be set to. */
const maxTimerMs = 2 ** 31 - 1;

export interface LockSettings {
  /** Opens the vault with what a person gives. @throws VaultError */
  open(unlock: Unlock): Promise<OpenVault>;
  /** Opens it with nobody's help; undefined where there is no such way. @throws VaultError */
  openByItself?(): Promise<OpenVault | undefined>;
  /**
   * Asks where the daemon runs for what opens the vault; undefined if the person does not want to, or `signal` aborts.
   * Without it the person is told to use `passfob unlock`.
   */
  askPerson?(reason: string, signal: CancelSignal): Promise<Unlock | undefined>;
  /** Locks after so long without use. */
  readonly idleMs?: number | undefined;
  /** Calls back when the person has left, with what they did: `the screen was locked`. Returns how to end it. */
  watchScreen?(left: (why: string) => void): () => void;
  /** Starts locked by the person's word. */
  readonly isHeld?: boolean;
}

/** What is locked along with the vault. */
export interface Lockable {
  /** Forgets its secrets and calls `closeVault`, in between two requests. */
  lock(closeVault: () => Promise<void>): Promise<void>;
}

/** What a person may try again. */
const wrongAnswers: readonly string[] = ['wrong-passphrase', 'wrong-phrase', 'wrong-key'];

const approved: Answer = { kind: 'approved', verified: false };

export class KeyLock {
  readonly #vault: LockableVault;
  readonly #lockable: Lockable;
  readonly #settings: LockSettings;
  readonly #log: Log;
  readonly #waiting = new Set<(answer: Answer) => void>();
  #turn: Promise<unknown> = Promise.resolve();
  #gate: PatientGate | undefined;
  #isLocking = false;
  #isStopped = false;
  /** How often the vault was to be locked: what began to open before opens nothing any more. */
  #lockCount = 0;
  /** Locked by the person's word: only a person opens it again. */
  #isHeld: boolean;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #stopWatching: (() => void) | undefined;
  /** Where requests wait for the vault. */
  readonly #door = withDeadline({ canVerify: false, ask: (_, signal) => this.#askToUnlock(signal) }, unlockTimeoutMs);

  /** @param locked the authenticator, or what has one. */
  constructor(vault: LockableVault, locked: Lockable, settings: LockSettings, log: Log) {
    this.#vault = vault;
    this.#lockable = locked;
    this.#settings = settings;
    this.#log = log;
    this.#isHeld = settings.isHeld ?? false;
    this.#stopWatching = settings.watchScreen?.((why) => this.#lockUnasked(why));
    this.#watchUse();
  }

  /** The gate of an authenticator on this vault: it unlocks the vault before `gate` can be asked anything. */
  guard(gate: PatientGate): UserGate {
    this.#gate = gate;
    return {
      ...gate,
      ask: (prompt, signal) => {
        if (prompt.kind === 'unlock') return this.#door.ask(prompt, signal);
        return this.#isLocking ? Promise.resolve({ kind: 'timed-out' }) : gate.ask(prompt, signal);
      },
    };
  }

  /**
   * Locks the vault by the person's word: nothing but `unlock` opens it again. A question that is still open is
   * withdrawn as if nobody had answered; any other request is carried out first.
   */
  lock(): Promise<void> {
    this.#isHeld = true;
    return this.#lock('asked for');
  }

  /** Opens the vault, if it is locked, and goes on with the request that waits for it. @throws VaultError */
  unlock(unlock: Unlock): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#vault.isLocked) await this.#take(await this.#settings.open(unlock));
    });
  }

  /**
   * The same in a way that needs nobody. Tells whether the vault is open now. Such a way may take its time, or not answer
   * at all: nobody else waits for it.
   */
  async unlockByItself(): Promise<boolean> {
    const lockCount = this.#lockCount;
    try {
      const opened = this.#vault.isLocked ? await this.#settings.openByItself?.() : undefined;
      if (opened) await this.#inTurn(() => (lockCount === this.#lockCount ? this.#take(opened) : opened.close()));
    } catch (error) {
      this.#log.warn(`the vault does not open by itself: ${(error as Error).message}`);
    }
    return !this.#vault.isLocked;
  }

  /** Ends the timer and the watch; the vault is not opened again. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#idleTimer);
    this.#stopWatching?.();
    this.#door.expire();
  }

  #lockUnasked(why: string): void {
    this.#lock(why).catch((error: Error) => this.#log.error(`the vault was not closed in order: ${error.message}`));
  }

  #lock(why: string): Promise<void> {
    this.#lockCount++;
    return this.#inTurn(async () => {
      if (this.#vault.isLocked) return;
      clearTimeout(this.#idleTimer);
      this.#isLocking = true;
      this.#gate?.expire();
      try {
        await this.#lockable.lock(() => this.#vault.lock());
      } finally {
        this.#isLocking = false;
      }
      this.#log.info(`locked: ${why}`);
    });
  }

  /** Goes on with the opened vault, unless it is too late for that. Must run in turn. */
  async #take(opened: OpenVault): Promise<void> {
    if (this.#isStopped || !this.#vault.isLocked) return opened.close();
    this.#vault.unlock(opened);
    this.#isHeld = false;
    this.#watchUse();
    this.#log.info('unlocked');
    for (const goOn of this.#waiting) goOn(approved);
  }

  /** A request waits for the vault. */
  async #askToUnlock(signal: CancelSignal): Promise<Answer> {
    const withdraw = new AbortController();
    let goOn: (answer: Answer) => void = () => undefined;
    const unlocked = new Promise<Answer>((resolve) => {
      goOn = resolve;
    });
    this.#waiting.add(goOn);
    try {
      return await Promise.race([unlocked, untilCancelled(signal), this.#openSomehow(withdraw.signal)]);
    } finally {
      this.#waiting.delete(goOn);
      withdraw.abort();
    }
  }

  /** By itself if it may, otherwise with a person's help. Resolves only if that was enough, or was refused. */
  async #openSomehow(signal: AbortSignal): Promise<Answer> {
    if (!this.#isHeld && (await this.unlockByItself())) return approved;
    if (!signal.aborted) this.#log.warn('a program needs the vault, which is locked: `passfob unlock` opens it');
    return this.#askHere(signal);
  }

  /** Asks again after what does not open the vault. Resolves only if the person has answered here. */
  async #askHere(signal: AbortSignal): Promise<Answer> {
    const { askPerson } = this.#settings;
    let reason = 'A program needs the vault, which is locked';
    try {
      while (askPerson && !signal.aborted) {
        const unlock = await askPerson(reason, signal);
        if (signal.aborted) break;
        if (!unlock) return { kind: 'declined' };
        const isOpen = await this.unlock(unlock).then(
          () => true,
          (error: unknown) => {
            if (!(error instanceof VaultError && wrongAnswers.includes(error.code))) throw error;
            reason = error.message;
          },
        );
        if (isOpen) return approved;
      }
    } catch (error) {
      this.#log.error(`the vault cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
    }
    return new Promise(() => undefined);
  }

  /** One timer for all requests: when it fires it looks at when the vault was last used. */
  #watchUse(): void {
    const { idleMs } = this.#settings;
    if (idleMs === undefined || this.#vault.isLocked) return;
    const left = this.#vault.lastUsedAt + idleMs - performance.now();
    if (left <= 0) {
      this.#lockUnasked('not used for a while');
      return;
    }
    this.#idleTimer = setTimeout(() => this.#watchUse(), Math.min(Math.ceil(left), maxTimerMs));
    this.#idleTimer.unref();
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
