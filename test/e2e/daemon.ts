// A real `passfob run` on a vault of its own, as a kernel device: started, watched and stopped.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { ControlClient } from '../../src/control/client.ts';
import { type HidrawNode, hidrawNode, hidrawNodes, untilUnplugged } from './hidraw.ts';
import { makeVault, program, type Vault } from './vault.ts';

/** Where logs go, for test/e2e/run to print them if a test fails. */
const logFolder = process.env['OUT'] ?? tmpdir();

/** Every way to be a device that this machine's programs see, and what `passfob run` is told for it. */
const runArguments = {
  uhid: ['--transport', 'uhid'],
  usbip: ['--transport', 'usbip', '--attach'],
  gadget: ['--transport', 'gadget'],
} as const satisfies Record<string, readonly string[]>;

export type Transport = keyof typeof runArguments;

/** For `describe.each('over %s')`; `npm run test:e2e -- -t 'over usbip'` takes one of them. */
export const transports = Object.keys(runArguments) as Transport[];

export interface DaemonOptions {
  /** Or what `passfob run` is told instead. Left out: `uhid`. */
  readonly transport?: Transport | readonly string[];
  /** `scripted` starts with the touch withheld. Left out: `always`. */
  readonly consent?: 'always' | 'scripted';
  /** Whether a touch also verifies the person. */
  readonly verify?: boolean;
  /** More options of `passfob run`. */
  readonly options?: readonly string[];
  /** Left out: a new one. */
  readonly vault?: Vault;
  /** Added to the daemon's environment. */
  readonly env?: NodeJS.ProcessEnv;
}

export type ProcessEnd = [code: number | null, signal: NodeJS.Signals | null];

export interface Daemon extends Vault {
  /** The way of the program's commands to the daemon, without the many seconds that a slow machine takes to start one. */
  readonly control: ControlClient;
  /** The key as the kernel sees it now. */
  node(): Promise<HidrawNode>;
  readonly pid: number;
  /** Waits for a line of the daemon's output that comes after the last one waited for. */
  printed(line: RegExp): Promise<string>;
  /** Sends a signal and resolves to how the daemon ended. */
  end(signal: NodeJS.Signals): Promise<ProcessEnd>;
  /** Ends the daemon in order, unless it has ended; expects it to take its device along. */
  stop(): Promise<void>;
}

/** Starts a daemon. Resolves when programs on this machine can use the key. */
export async function startDaemon({
  transport = 'uhid',
  consent = 'always',
  verify = false,
  options = [],
  vault,
  env,
}: DaemonOptions = {}): Promise<Daemon> {
  const usedVault = vault ?? (await makeVault());
  const how = typeof transport === 'string' ? runArguments[transport] : transport;
  const args = [program, 'run', ...how, '--consent', consent, '--log-level', 'debug', ...options];
  if (verify) args.push('--verify');
  const child = spawn(process.execPath, args, {
    env: { ...usedVault.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit') as Promise<ProcessEnd>;
  const output = new Output(child, exited);
  await output.next(/^ready/);

  const end = (signal: NodeJS.Signals): Promise<ProcessEnd> => {
    child.kill(signal);
    return exited;
  };
  return {
    ...usedVault,
    control: new ControlClient(controlSocketOf(usedVault)),
    node: hidrawNode,
    pid: child.pid ?? Number.NaN,
    printed: (line) => output.next(line),
    end,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const nodes = hidrawNodes();
      expect(await end('SIGTERM')).toEqual([0, null]);
      await Promise.all(nodes.map(untilUnplugged));
    },
  };
}

function controlSocketOf({ env }: Vault): string {
  const folder = join(env['XDG_RUNTIME_DIR'] ?? '', 'passfob');
  const [name] = readdirSync(folder).filter((each) => each.startsWith('control-'));
  return join(folder, name ?? 'control');
}

/** What a daemon prints, line by line: kept in a file, and waited for. */
class Output {
  readonly #unseen: string[] = [];
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor({ pid, stdout, stderr }: ChildProcess, exited: Promise<ProcessEnd>) {
    const file = createWriteStream(join(logFolder, `daemon-${pid}.log`));
    for (const stream of [stdout, stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (line) => {
        file.write(`${new Date().toISOString()} ${line}\n`);
        this.#unseen.push(line);
        this.#wake();
      });
    }
    void exited.then(([code, signal]) => {
      file.write(`${new Date().toISOString()} ended with ${code ?? signal}\n`);
      this.#hasEnded = true;
      this.#wake();
    });
  }

  async next(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.#unseen.findIndex((line) => pattern.test(line));
      const [line] = this.#unseen.splice(0, found + 1).slice(-1);
      if (line !== undefined) return line;
      if (this.#hasEnded) throw new Error(`the daemon ended before it printed ${pattern}:\n${this.#unseen.join('\n')}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
