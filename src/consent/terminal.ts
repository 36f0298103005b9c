// Asking on the terminal that the daemon runs in: one question at a time, answered by a single key.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Answer, Prompt, UserGate } from '../../ctap/env.ts';
import { exitCode, UserError } from '../errors.ts';
import { oneLine } from '../log.ts';
import { describePrompt, untilCancelled } from './deadline.ts';

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

/** The gate of a key that is alone on its terminal. @throws UserError where standard input is no terminal */
export function createTerminalGate(terminal: Terminal = processTerminal): UserGate {
  return createTerminalGates(terminal)();
}

/**
 * The gates of several keys on one terminal: it shows one question at a time, whichever key asks, and names the key.
 * @throws UserError where standard input is no terminal: nobody could answer.
 */
export function createTerminalGates(terminal: Terminal = processTerminal): (keyName?: string) => UserGate {
  if (!terminal.input.isTTY) {
    throw new UserError(
      'consent "ask" needs a terminal, and standard input is none',
      'run in a terminal, or choose --consent always (any program may then use the key unseen)',
      exitCode.usage,
    );
  }
  let last: Promise<unknown> = Promise.resolve();
  return (keyName) => ({
    canVerify: false,
    ask(prompt, signal) {
      const question = questionOf(prompt, keyName);
      const turn = last.then(() =>
        signal.aborted ? { kind: 'cancelled' as const } : askNow(terminal, question, signal),
      );
      last = turn.catch(() => undefined);
      return turn;
    },
  });
}

function questionOf(prompt: Prompt, keyName: string | undefined): string {
  const key = keyName === undefined ? '' : ` with the key "${keyName}"`;
  return `A program asks to ${oneLine(describePrompt(prompt))}${key}. Allow?`;
}

async function askNow(terminal: Terminal, question: string, signal: Parameters<UserGate['ask']>[1]): Promise<Answer> {
  const { input, output } = terminal;
  const keys = new Keys(terminal);
  try {
    // What was typed before the question is no answer to it: a key that was pressed twice must not allow the next one.
    await keys.discardTypedAhead();
    // The bell: the terminal is seldom the window that a person looks at while a website waits.
    output.write(`\u0007\n${question} [y/n] `);
    const answer = await Promise.race([keys.yesOrNo(), untilCancelled(signal)]);
    output.write(`${word[answer.kind]}\n`);
    return answer;
  } finally {
    keys.stop();
    input.pause();
  }
}

const word = { approved: 'yes', declined: 'no', cancelled: '(withdrawn)', 'timed-out': '(too late)' } as const;

/** Reads single keys in raw mode until told to stop. */
class Keys {
  readonly #terminal: Terminal;
  #answer: (answer: Answer) => void = () => undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    terminal.input.setRawMode(true);
    terminal.input.on('data', this.#onData);
    terminal.input.resume();
  }

  /** In raw mode the terminal hands over at once what it has: within a turn or two of the event loop. */
  async discardTypedAhead(): Promise<void> {
    await nextTurn();
    await nextTurn();
  }

  yesOrNo(): Promise<Answer> {
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  stop(): void {
    this.#terminal.input.off('data', this.#onData);
    this.#terminal.input.setRawMode(false);
  }

  readonly #onData = (data: Buffer): void => {
    const pressed = data.toString('utf8').toLowerCase();
    if (pressed.includes('\u0003')) this.#terminal.interrupt();
    else if (pressed.startsWith('y')) this.#answer({ kind: 'approved', verified: false });
    else if (pressed.startsWith('n') || pressed === '\u001b') this.#answer({ kind: 'declined' });
  };
}
