// `passfob credentials list` on a vault with more credentials than a page, in scripts and on a terminal.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CredentialView } from '../../../src/control/operations.ts';
import { createVault } from '../../../store/vault.ts';
import { Home } from '../../support/program.ts';
import { typeOnTerminal } from '../../support/terminal.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

const entrance = fileURLToPath(new URL('../../../dist/bin/passfob.js', import.meta.url));
const count = 1250;

let home: Home;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  home = new Home();
  const keyFile = join(home.directory, 'key');
  writeFileSync(keyFile, createHash('sha256').update('key').digest(), { mode: 0o600 });
  home.env['PASSFOB_KEY_FILE'] = keyFile;
  env = { ...process.env, PASSFOB_KEY_FILE: keyFile, PASSFOB_VAULT: home.vault, XDG_RUNTIME_DIR: home.runtime };
  const vault = await createVault(home.vault, { keyFile: readFileSync(keyFile) });
  await vault.update((tx) => {
    for (let number = 0; number < count; number++) tx.putCredential(credential(number));
  });
  await vault.close();
});
afterAll(() => home.remove());

/** The higher the number the newer. */
function credential(number: number) {
  const rpId = number % 2 === 0 ? 'even.example' : 'odd.example';
  return sampleCredential(1, {
    id: createHash('sha256').update(`id ${number}`).digest(),
    rpIdHash: createHash('sha256').update(rpId).digest(),
    rpId,
    user: { id: Uint8Array.of(1), name: `user-${number}` },
    createdAt: number * 1000,
  });
}

const numbers = (credentials: unknown) =>
  (credentials as CredentialView[]).map(({ userName }) => Number(userName?.slice('user-'.length)));
const list = (...args: string[]) => home.run('credentials', 'list', ...args);

test('scripts get all of them, newest first', async () => {
  const all = Array.from({ length: count }, (_, number) => count - 1 - number);
  expect(numbers(await home.json('credentials', 'list'))).toEqual(all);
  const { stdout, stderr } = await list();
  const [, ...lines] = stdout.trimEnd().split('\n');
  expect(lines.map((line) => Number(/ user-(\d+) /.exec(line)?.[1]))).toEqual(all);
  expect(stderr).toBe('');
});

test('a terminal gets a page, and how to see the next', async () => {
  const command = `${process.execPath} ${entrance} credentials list`;
  const first = await typeOnTerminal(command, [], { env });
  expect(first).toContain(' user-1249 ');
  expect(first).toContain(' user-1150 ');
  expect(first).not.toContain(' user-1149 ');
  expect(first).toContain('… 1,150 more: --page 2');
});

test('a page has the length that is asked for', async () => {
  const { stdout, stderr } = await list('--page', '3', '--limit', '5');
  expect(stdout.match(/user-\d+/g)).toEqual(['user-1239', 'user-1238', 'user-1237', 'user-1236', 'user-1235']);
  expect(stderr).toBe('… 1,235 more: --limit 5 --page 4\n');
});

test('pages are those of one website, where one is named, and the last one ends with the oldest', async () => {
  const page = await home.json('credentials', 'list', '--rp', 'odd.example', '--page', '7');
  expect(numbers(page)).toEqual(Array.from({ length: 25 }, (_, number) => 49 - 2 * number));
  expect(await list('--rp', 'odd.example', '--page', '8')).toMatchObject({ stdout: 'no page 8\n', code: 0 });
});

test('lines are all of them through a daemon, too, and end where their reader does', async () => {
  await home.start('--consent', 'never');
  const { stdout } = await list('--json-lines');
  const lines = stdout.trimEnd().split('\n');
  expect(numbers(lines.map((line) => JSON.parse(line))).sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
  const head = `${process.execPath} ${entrance} credentials list --json-lines | head -n 1; exit \${PIPESTATUS[0]}`;
  const { stdout: one, stderr } = await promisify(execFile)('bash', ['-c', head], { env });
  expect(JSON.parse(one)).toMatchObject({ userName: expect.stringMatching(/^user-/) });
  expect(stderr).toBe('');
});

test.each([
  [['--json-lines', '--page', '2'], "option '--json-lines' cannot be used with option '--page <n>'"],
  [['--page', '0'], 'Expected a whole number from 1'],
])('%j is a usage error', async (args, message) => {
  expect(await list(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
});
