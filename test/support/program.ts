// Runs the built program as people do: its own process, its own folders, nothing of the surroundings.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CredentialKind } from '../../ctap/env.ts';
import { createVault } from '../../store/vault.ts';

/** Of every vault here. */
const passphrase = 'correct horse battery staple';
const entrance = fileURLToPath(new URL('../../dist/bin/passfob.js', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Daemon {
  readonly child: ChildProcess;
  /** The line that begins with `ready`. */
  readonly readyLine: string;
  /** What it has printed on standard error so far. */
  readonly log: () => string;
  /** Sends the signal and resolves with how the process ended. */
  stop(signal?: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** A home of its own for one test, with a passphrase file. */
export class Home {
  readonly directory = mkdtempSync(join(tmpdir(), 'passfob-home-'));
  readonly vault = join(this.directory, 'data', 'passfob', 'vault');
  readonly runtime = join(this.directory, 'run');
  readonly passphraseFile = join(this.directory, 'passphrase');
  readonly keyFile = join(this.directory, 'vault.key');
  readonly keySocket = join(this.directory, 'key.sock');
  /** Added to the environment of every program that is run from now on. */
  readonly env: Record<string, string> = {};
  readonly #daemons: Daemon[] = [];

  constructor() {
    mkdirSync(this.runtime, { mode: 0o700 });
    writeFileSync(this.keyFile, randomBytes(32), { mode: 0o600 });
    this.writePassphrase(passphrase);
  }

  writePassphrase(passphrase: string): void {
    writeFileSync(this.passphraseFile, `${passphrase}\n`, { mode: 0o600 });
  }

  /** A vault that opens with the key file, which every program finds, and with the passphrase, over which each takes long. */
  async makeVault(credentialKind: CredentialKind = 'device-bound', directory = this.vault): Promise<void> {
    const keyFile = readFileSync(this.keyFile);
    const vault = await createVault(directory, { keyFile }, { credentialKind });
    await vault.addSlot({ passphrase }, { scryptLogN: 1 });
    await vault.close();
    this.findKeyFile();
  }

  /** From now on programs have the key file. */
  findKeyFile(): void {
    this.env['PASSFOB_KEY_FILE'] = this.keyFile;
  }

  /** From now on programs have nothing but the passphrase. */
  loseKeyFile(): void {
    delete this.env['PASSFOB_KEY_FILE'];
  }

  /** Runs a command to its end. Standard input is empty and no terminal. */
  async run(...args: string[]): Promise<Outcome> {
    const child = this.#spawn(args);
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, stdout: stdout(), stderr: stderr() };
  }

  /** The same with this standard input. */
  async runWith(input: string, ...args: string[]): Promise<Outcome> {
    const child = spawn(process.execPath, [entrance, ...args], { env: this.#environment() });
    const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
    child.stdin.end(input);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, stdout: stdout(), stderr: stderr() };
  }

  /** The same with standard output going to a file that is there. */
  async runInto(path: string, ...args: string[]): Promise<Omit<Outcome, 'stdout'>> {
    const file = openSync(path, 'w');
    const child = spawn(process.execPath, [entrance, ...args], {
      env: this.#environment(),
      stdio: ['ignore', file, 'pipe'],
    });
    if (!child.stderr) throw new Error('expected a pipe');
    const stderr = collect(child.stderr);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    closeSync(file);
    return { code, stderr: stderr() };
  }

  /** Runs a command that prints JSON. @throws Error if it fails */
  async json(...args: string[]): Promise<unknown> {
    const { code, stdout, stderr } = await this.run(...args, '--json');
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** `passfob run` on the key socket. @throws Error with its log if it ends before it is ready */
  start(...args: string[]): Promise<Daemon> {
    return this.startKeys('--transport', `socket:${this.keySocket}`, ...args);
  }

  /** The same on the transports of the configuration file. */
  async startKeys(...args: string[]): Promise<Daemon> {
    const child = this.#spawn(['run', ...args]);
    const log = collect(child.stderr);
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
      child.once('close', (code, signal) => resolve({ code, signal })),
    );
    const readyLine = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('ready') && resolve(line));
      void ended.then(({ code }) => reject(new Error(`the daemon ended with ${code}: ${log()}`)));
    });
    const daemon: Daemon = {
      child,
      readyLine,
      log,
      stop: (signal = 'SIGTERM') => {
        child.kill(signal);
        return ended;
      },
    };
    this.#daemons.push(daemon);
    return daemon;
  }

  /** Ends what a failed test has left running. */
  async stopDaemons(): Promise<void> {
    await Promise.all(this.#daemons.splice(0).map((daemon) => daemon.stop('SIGKILL')));
  }

  async remove(): Promise<void> {
    await this.stopDaemons();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #spawn(args: readonly string[]) {
    const env = this.#environment();
    return spawn(process.execPath, [entrance, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  #environment() {
    return {
      PATH: process.env['PATH'],
      HOME: this.directory,
      XDG_DATA_HOME: join(this.directory, 'data'),
      XDG_RUNTIME_DIR: this.runtime,
      PASSFOB_PASSPHRASE_FILE: this.passphraseFile,
      ...this.env,
    };
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
