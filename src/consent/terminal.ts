// Asking on the terminal that the daemon runs in: one question at a time, answered by a single key, by a word that nobody
// types by mistake, or by words that are typed unseen.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answer, CancelSignal, Prompt, UserGate } from '../../ctap/env.ts';
import { UserVerify } from '../../ctap/wire.ts';
import { exitCode, UserError } from '../errors.ts';
import { oneLine } from '../log.ts';
import { describePrompt, untilCancelled } from './deadline.ts';
import { TypedLine } from './typed-line.ts';

/** The part of a terminal's two streams that asking needs. */
export interface Terminal {
  readonly input: Pick<NodeJS.ReadStream, 'isTTY' | 'setRawMode' | 'on' | 'off' | 'resume' | 'pause'>;
  readonly output: Pick<NodeJS.WriteStream, 'write'>;
  /** Called for Ctrl-C, which is an ordinary key while single keys are read. */
  interrupt(): void;
}

const processTerminal: Terminal = {
  input: process.stdin,
  output: process.stdout,
  interrupt: () => process.kill(process.pid, 'SIGINT'),
};

/** Whether words are those that only the owner knows. */
export type CheckWords = (words: string) => Promise<boolean>;

/** One terminal: it shows one question at a time, whichever key asks. */
export interface TerminalDesk {
  /**
   * The gate of a key, whose questions name it if it has a name.
   * @param isOwner makes it a gate that verifies: what is to be verified is approved by typing words that it accepts.
   */
  gate(keyName?: string, isOwner?: CheckWords): UserGate;
  /**
   * Words typed unseen; undefined for none, or once `signal` aborts. Until then, or the next question, the terminal stays
   * deaf: whoever types again while the words are checked must not see them on the screen.
   */
  askWords(question: string, signal: CancelSignal): Promise<string | undefined>;
}

/** @throws UserError where standard input is no terminal: nobody could answer. */
export function openTerminal(terminal: Terminal = processTerminal): TerminalDesk {
  if (!terminal.input.isTTY) {
    throw new UserError(
      'consent "ask" needs a terminal, and standard input is none',
      'run in a terminal, or choose --consent scripted (each touch is a `passfob consent once`), or --consent always (any program may then use the key unseen)',
      exitCode.usage,
    );
  }
  let last: Promise<unknown> = Promise.resolve();
  let hear: () => void = () => undefined;
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const turn = last.then(() => {
      hear();
      return act();
    });
    last = turn.catch(() => undefined);
    return turn;
  };
  const askWords: TerminalDesk['askWords'] = (question, signal) =>
    inTurn(async () => {
      const words = await ask(terminal, `${question}: `, readWords(), signal, undefined);
      if (words === undefined || signal.aborted) return words;
      hear = listen(terminal, () => undefined);
      signal.addEventListener('abort', hear);
      return words;
    });
  const askYesOrNo = (question: string, signal: CancelSignal): Promise<Answer> =>
    inTurn(() => ask<Answer>(terminal, `${question}. Allow? [y/n] `, readYesOrNo, signal, { kind: 'cancelled' }));
  /** As deliberate as a long touch: the word itself. */
  const askDeliberately = (question: string, word: string, signal: CancelSignal): Promise<Answer> =>
    inTurn(() =>
      ask<Answer>(terminal, `${question}. Type "${word}" and Enter to allow it: `, readWord(word), signal, {
        kind: 'cancelled',
      }),
    );
  return {
    askWords,
    gate: (keyName, isOwner) => ({
      canVerify: isOwner !== undefined,
      uvModality: UserVerify.passcodeInternal,
      async ask(prompt, signal) {
        const question = questionOf(prompt, keyName);
        if (prompt.kind === 'reset' && prompt.long) return askDeliberately(question, 'reset', signal);
        if (!prompt.verify || !isOwner) return askYesOrNo(question, signal);
        const words = await askWords(`${question}. Type the vault's passphrase to allow it (empty to refuse)`, signal);
        if (signal.aborted) return { kind: 'cancelled' };
        return words === undefined ? { kind: 'declined' } : { kind: 'approved', verified: await isOwner(words) };
      },
    }),
  };
}

function questionOf(prompt: Prompt, keyName: string | undefined): string {
  const key = keyName === undefined ? '' : ` with the key "${keyName}"`;
  return `A program asks to ${oneLine(describePrompt(prompt))}${key}`;
}

/** Makes an answer of what was typed, and the word that the terminal shows for it; undefined: not yet. */
type ReadAnswer<T> = (data: Buffer) => readonly [answer: T, shown: string] | undefined;

/** Raw mode shows nothing and hands over every key at once. Returns how to end it; to end it again does nothing. */
function listen({ input, interrupt }: Terminal, take: (data: Buffer) => void): () => void {
  const onData = (data: Buffer) => (data.includes(ctrlC) ? interrupt() : take(data));
  input.setRawMode(true);
  input.on('data', onData);
  input.resume();
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    input.off('data', onData);
    input.setRawMode(false);
    input.pause();
  };
}

async function ask<T>(
  terminal: Terminal,
  question: string,
  read: ReadAnswer<T>,
  signal: CancelSignal,
  withdrawn: T,
): Promise<T> {
  if (signal.aborted) return withdrawn;
  let answer: (data: Buffer) => void = () => undefined;
  const end = listen(terminal, (data) => answer(data));
  try {
    // What was typed before the question is no answer to it: a key that was pressed twice must not allow the next one.
    // The terminal hands over what it has within a turn or two of the event loop.
    await nextTurn();
    await nextTurn();
    // The bell: the terminal is seldom the window that a person looks at while a website waits.
    terminal.output.write(`\u0007\n${question}`);
    const answered = new Promise<readonly [T, string]>((resolve) => {
      answer = (data) => {
        const found = read(data);
        if (found) resolve(found);
      };
    });
    const taken = untilCancelled(signal).then(() => [withdrawn, '(withdrawn)'] as const);
    const [given, shown] = await Promise.race([answered, taken]);
    terminal.output.write(`${shown}\n`);
    return given;
  } finally {
    end();
  }
}

const ctrlC = '\u0003';

const readYesOrNo: ReadAnswer<Answer> = (data) => {
  const pressed = data.toString('utf8').toLowerCase();
  if (pressed.startsWith('y')) return [{ kind: 'approved', verified: false }, 'yes'];
  return pressed.startsWith('n') || pressed === '\u001b' ? [{ kind: 'declined' }, 'no'] : undefined;
};

/** The word and Enter; anything else is a no. */
function readWord(word: string): ReadAnswer<Answer> {
  const line = new TypedLine();
  return (data) => {
    const typed = line.type(data);
    if (typed === undefined) return undefined;
    return typed === word ? [{ kind: 'approved', verified: false }, 'yes'] : [{ kind: 'declined' }, 'no'];
  };
}

function readWords(): ReadAnswer<string | undefined> {
  const line = new TypedLine();
  return (data) => {
    const typed = line.type(data);
    if (typed === undefined) return undefined;
    return typed ? [typed, 'checking …'] : [undefined, ''];
  };
}
