// The README's "If you lose your machine", followed word by word: its own commands, typed on a terminal in the folder of
// somebody who has nothing else than what it says they have.

import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Reply, typeOnTerminal } from './support/terminal.ts';

/** Each command takes a second or two over its passphrases, more on a busy machine. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const readme = readFileSync('README.md', 'utf8');
const entrance = resolve('dist/bin/passfob.js');
const bank = resolve('test/src/exchange/samples/bitwarden.json');

/** The commands of each code block under a heading, without their comments. */
function commandsUnder(heading: string): string[] {
  const [, section = ''] = readme.split(`\n### ${heading}\n`);
  const [text = ''] = section.split(/\n##/, 1);
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block);
  return blocks.flatMap((block) => block.trim().split('\n')).map((line) => line.replace(/\s+#.*/, ''));
}

/** Somebody's machine: a home folder, and passfob on the path. */
class Machine {
  readonly home = mkdtempSync(join(tmpdir(), 'passfob-machine-'));

  constructor() {
    mkdirSync(join(this.home, 'bin'));
    mkdirSync(join(this.home, 'run'), { mode: 0o700 });
    writeFileSync(join(this.home, 'bin', 'passfob'), `#!/bin/sh\nexec '${process.execPath}' '${entrance}' "$@"\n`);
    chmodSync(join(this.home, 'bin', 'passfob'), 0o755);
  }

  get vault(): string {
    return join(this.home, '.local/share/passfob/vault');
  }

  /** Types a command, and an answer to each question. @returns what the terminal showed */
  type(command: string | undefined, ...replies: readonly Reply[]): Promise<string> {
    if (command === undefined) throw new Error('the README has no such command');
    const env = {
      PATH: `${join(this.home, 'bin')}:${process.env['PATH']}`,
      HOME: this.home,
      XDG_RUNTIME_DIR: join(this.home, 'run'),
      SHELL: '/bin/sh',
    };
    return typeOnTerminal(command, replies, { cwd: this.home, env });
  }

  remove(): void {
    rmSync(this.home, { recursive: true });
  }
}

const lost = new Machine();
const machines = [lost];
let words = '';

function newMachine(): Machine {
  const machine = new Machine();
  machines.push(machine);
  return machine;
}

beforeAll(async () => {
  const [backup, addPhrase, ...more] = commandsUnder('Before');
  expect(more).toEqual([]);
  await lost.type(
    'passfob vault init --credentials synced',
    ['New passphrase: ', 'old one'],
    ['Once more: ', 'old one'],
  );
  await lost.type(`passfob import ${bank}`, ['assphrase: ', 'old one']);
  await lost.type(
    backup,
    ['Passphrase of the vault: ', 'old one'],
    ['New passphrase of the file: ', 'on paper'],
    ['Once more: ', 'on paper'],
  );
  const shown = await lost.type(addPhrase, ['assphrase: ', 'old one']);
  const numbered = [...shown.matchAll(/(\d+) ([a-z]+)/g)].map(([, number, word]) => ({ number: Number(number), word }));
  words = numbered
    .sort((a, b) => a.number - b.number)
    .filter(({ number }, index) => number === index + 1)
    .map(({ word }) => word)
    .join(' ');
});
afterAll(() => {
  for (const machine of machines) machine.remove();
});

test('passfob is installed as for a desktop', () => {
  const [install] = commandsUnder('With the backup file and its passphrase');
  expect(install).toBe('npm ci && npm run build && npm link');
  expect(readme.split('## If you lose your machine')[0]).toContain(`\n${install}\n`);
});

test('with only the backup file and its passphrase, all credentials are back', async () => {
  const machine = newMachine();
  cpSync(join(lost.home, 'passkeys.age'), join(machine.home, 'passkeys.age'));
  const [, init, restore, list, ...more] = commandsUnder('With the backup file and its passphrase');
  expect(more).toEqual([]);
  await machine.type(init, ['New passphrase: ', 'new one'], ['Once more: ', 'new one']);
  const shown = await machine.type(
    restore,
    ['assphrase: ', 'new one'],
    ['Passphrase of the file: ', 'on paper'],
    ['[y/N] ', 'y'],
  );
  expect(shown).toContain('restored 3 credentials');
  expect(await machine.type(list, ['assphrase: ', 'new one'])).toContain('shop.example');
});

test('with only a copy of the vault and the 24 words, the vault opens with a new passphrase', async () => {
  expect(words.split(' ')).toHaveLength(24);
  const machine = newMachine();
  cpSync(lost.vault, join(machine.home, 'vault-copy'), { recursive: true });
  const [mkdir, copy, chmod, add, check, list, ...more] = commandsUnder(
    "With a copy of the vault's folder and the 24 words",
  );
  expect(more).toEqual([]);
  for (const command of [mkdir, copy, chmod]) await machine.type(command);
  await machine.type(add, ['ecovery phrase: ', words], ['New passphrase: ', 'new one'], ['Once more: ', 'new one']);
  expect(await machine.type(check, ['hrase: ', 'new one'])).toMatch(/3 credentials of .*: sound/);
  expect(await machine.type(list, ['hrase: ', 'new one'])).toContain('example.com');
});
