// User presence for U2F, where nobody waits for a person: the host asks again and again, and each time hears
// "not yet". So the question to the person outlives the request, and a later poll of the same operation finds the
// answer. FIDO U2F Raw Message Formats §4, §5.

import type { Answer, CancelSignal, Environment, Prompt } from './env.ts';
import type { Policy } from './policy.ts';

/** One question, from the first poll until its answer is used up or nobody wants it any more. */
interface Question {
  readonly operation: string;
  readonly cancellation: Cancellation;
  /** Settles with the question; never rejects. */
  readonly settled: Promise<void>;
  answer: Answer['kind'] | undefined;
  /** When the answer is forgotten, by the steady clock. */
  forgottenAt: number;
}

export class U2fPresence {
  readonly #environment: Environment;
  readonly #policy: Policy;
  #question: Question | undefined;

  constructor(environment: Environment, policy: Policy) {
    this.#environment = environment;
    this.#policy = policy;
  }

  /**
   * True if a person has approved this operation, once for each approval; asks if nobody has been asked yet, and waits
   * `Policy.u2fWaitMs` at most. After a refusal it stays false, without asking again, for as long as the host polls.
   * @param operation names what is asked for; polls of the same operation share one question.
   */
  async approved(operation: string, prompt: Prompt): Promise<boolean> {
    const { clock } = this.#environment;
    if (this.#question?.operation !== operation) await this.cancel();
    if (this.#question?.answer && clock.monotonic() > this.#question.forgottenAt) this.#question = undefined;
    this.#question ??= this.#ask(operation, prompt);
    const question = this.#question;
    if (!question.answer) await Promise.race([question.settled, clock.delay(this.#policy.u2fWaitMs)]);
    if (question.answer === 'approved') {
      this.#question = undefined;
      return true;
    }
    if (question.answer) question.forgottenAt = clock.monotonic() + this.#policy.u2fTouchMs;
    return false;
  }

  /** Takes the question back, if there is one, and resolves when the person no longer sees it. */
  async cancel(): Promise<void> {
    const question = this.#question;
    this.#question = undefined;
    question?.cancellation.abort();
    await question?.settled;
  }

  #ask(operation: string, prompt: Prompt): Question {
    const { clock, gate } = this.#environment;
    const cancellation = new Cancellation();
    const settle = (answer: Answer['kind']) => {
      question.answer = answer;
      question.forgottenAt = clock.monotonic() + this.#policy.u2fTouchMs;
    };
    const settled = gate.ask(prompt, cancellation).then(
      (answer) => settle(answer.kind),
      (error: unknown) => {
        this.#environment.reportBug(error);
        settle('declined');
      },
    );
    const question: Question = { operation, cancellation, settled, answer: undefined, forgottenAt: 0 };
    return question;
  }
}

/** The smallest thing that is a CancelSignal. */
class Cancellation implements CancelSignal {
  aborted = false;
  readonly #listeners = new Set<() => void>();

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    this.aborted = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}
