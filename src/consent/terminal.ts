// Asking on the terminal that the daemon runs in: one question at a time, answered by a single key.

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

/** @throws UserError where standard input is no terminal: nobody could answer. */
export function createTerminalGate(terminal: Terminal = processTerminal): UserGate {
  if (!terminal.input.isTTY) {
    throw new UserError(
      'consent "ask" needs a terminal, and standard input is none',
      'run in a terminal, or choose --consent always (any program may then use the key unseen)',
      exitCode.usage,
    );
  }
  let last: Promise<unknown> = Promise.resolve();
  return {
    canVerify: false,
    ask(prompt, signal) {
      const turn = last.then(() =>
        signal.aborted ? { kind: 'cancelled' as const } : askNow(terminal, prompt, signal),
      );
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}

async function askNow(terminal: Terminal, prompt: Prompt, signal: Parameters<UserGate['ask']>[1]): Promise<Answer> {
  const { input, output } = terminal;
  const key = new KeyPress(terminal);
  // The bell: the terminal is seldom the window that a person looks at while a website waits.
  output.write(`\u0007\nA program asks to ${oneLine(describePrompt(prompt))}. Allow? [y/n] `);
  try {
    const answer = await Promise.race([key.yesOrNo(), untilCancelled(signal)]);
    output.write(`${word[answer.kind]}\n`);
    return answer;
  } finally {
    key.stop();
    input.pause();
  }
}

const word = { approved: 'yes', declined: 'no', cancelled: '(withdrawn)', 'timed-out': '(too late)' } as const;

/** Reads single keys in raw mode until told to stop. */
class KeyPress {
  readonly #terminal: Terminal;
  #listener: ((data: Buffer) => void) | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  yesOrNo(): Promise<Answer> {
    const { input } = this.#terminal;
    return new Promise((resolve) => {
      this.#listener = (data) => {
        const pressed = data.toString('utf8').toLowerCase();
        if (pressed.includes('\u0003')) this.#terminal.interrupt();
        else if (pressed.startsWith('y')) resolve({ kind: 'approved', verified: false });
        else if (pressed.startsWith('n') || pressed === '\u001b') resolve({ kind: 'declined' });
      };
      input.setRawMode(true);
      input.resume();
      input.on('data', this.#listener);
    });
  }

  stop(): void {
    if (this.#listener) this.#terminal.input.off('data', this.#listener);
    this.#terminal.input.setRawMode(false);
  }
}
