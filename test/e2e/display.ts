// A screen that nobody sees (Xvfb), for browsers whose dialogs are no part of any page; and its keyboard (xdotool).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { succeed } from './command.ts';

/**
 * Milliseconds, as a person types: Chromium takes no Return from a dialog that has not been there for half a second, since
 * it may have been meant for something else.
 */
const pause = { betweenCharacters: '200', betweenKeys: '600' };

export interface Display {
  /** The environment of programs that are to open their windows here. */
  readonly env: NodeJS.ProcessEnv;
  /** Waits for a window whose title begins like this and hands it the keyboard. */
  focus(title: string): Promise<void>;
  /** Types characters into the window that has the keyboard. */
  type(text: string): Promise<void>;
  /** Presses keys by their X names: `Return`, `Tab`. */
  press(...keys: string[]): Promise<void>;
  /** Keeps what is to be seen, as a PNG. */
  screenshot(file: string): Promise<void>;
  close(): Promise<void>;
}

export async function startDisplay(): Promise<Display> {
  const server = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1100x800x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const [, , , numbers] = server.stdio;
  if (!numbers) throw new Error('expected a pipe on which Xvfb tells its number');
  const [number] = (await once(createInterface({ input: numbers as NodeJS.ReadableStream }), 'line')) as [string];
  const env = { ...process.env, DISPLAY: `:${number}` };
  const xdotool = (...args: string[]) => succeed('xdotool', args, { env });
  return {
    env,
    async focus(title) {
      await xdotool(
        'search',
        '--sync',
        '--onlyvisible',
        '--limit',
        '1',
        '--name',
        `^${title}`,
        'windowfocus',
        '--sync',
      );
    },
    async type(text) {
      await xdotool('type', '--delay', pause.betweenCharacters, text);
    },
    async press(...keys) {
      await xdotool('key', '--delay', pause.betweenKeys, ...keys);
    },
    async screenshot(file) {
      await succeed('import', ['-window', 'root', file], { env });
    },
    async close() {
      server.kill();
      await once(server, 'exit');
    },
  };
}
