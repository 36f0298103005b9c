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

export interface DaemonOptions {
  /** `scripted` starts with the touch withheld. Left out: `always`. */
  readonly consent?: 'always' | 'scripted';
  /** Whether a touch also verifies the person. */
  readonly verify?: boolean;
  /** Starts with the vault locked. */
  readonly locked?: boolean;
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
  /** Waits for a line of the daemon's output that comes after the last one waited for. */
  printed(line: RegExp): Promise<void>;
  /** Sends a signal and resolves to how the daemon ended. */
  end(signal: NodeJS.Signals): Promise<ProcessEnd>;
  /** Ends the daemon in order, unless it has ended; expects it to take its device along. */
  stop(): Promise<void>;
}

/** Starts a daemon. Resolves when programs on this machine can use the key. */
export async function startDaemon({
  consent = 'always',
  verify = false,
  locked = false,
  vault,
  env,
}: DaemonOptions = {}): Promise<Daemon> {
  const usedVault = vault ?? (await makeVault());
  const args = [program, 'run', '--transport', 'uhid', '--consent', consent, '--log-level', 'debug'];
  if (verify) args.push('--verify');
  if (locked) args.push('--locked');
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

  async next(pattern: RegExp): Promise<void> {
    for (;;) {
      const found = this.#unseen.findIndex((line) => pattern.test(line));
      if (found >= 0) {
        this.#unseen.splice(0, found + 1);
        return;
      }
      if (this.#hasEnded) throw new Error(`the daemon ended before it printed ${pattern}:\n${this.#unseen.join('\n')}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
