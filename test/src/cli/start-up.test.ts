// What a command loads of the program: no more than it needs, so that scripts and shells do not wait for it.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Home } from '../../support/program.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let home: Home;
beforeAll(async () => {
  home = new Home();
  await home.makeVault();
  await home.start('--consent', 'never');
});
afterAll(() => home.remove());

/** The modules that a command has loaded, as V8 tells. */
async function modulesOf(...args: string[]): Promise<string[]> {
  const folder = join(home.directory, `coverage ${args.join(' ')}`);
  mkdirSync(folder);
  home.env['NODE_V8_COVERAGE'] = folder;
  await home.run(...args);
  delete home.env['NODE_V8_COVERAGE'];
  const [report = expect.fail('no report')] = readdirSync(folder);
  const { result } = JSON.parse(readFileSync(join(folder, report), 'utf8')) as { result: { url: string }[] };
  return result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
}

describe('start-up', () => {
  test.each([['--version'], ['--help'], ['no-such-command'], ['status'], ['replug'], ['lock'], ['unlock', '--help']])(
    'of `passfob %s %s` loads neither the database nor cryptography',
    async (...args) => {
      const modules = await modulesOf(...args.filter((arg) => arg !== undefined));
      expect(modules.filter((url) => /lmdb|@noble|cbor-x/.test(url))).toEqual([]);
      expect(modules.length).toBeLessThan(40);
    },
  );

  test('of what needs the vault itself does', async () => {
    expect((await modulesOf('vault', 'slots', 'list')).some((url) => url.includes('lmdb'))).toBe(true);
  });
});

test.each([
  [['help', 'vault'], 'slots'],
  [['help', 'run'], '--lock-after'],
  [['vault', '--help'], 'rekey'],
  [['vault', 'slots', 'add', '--help'], '--with-key'],
  [['help'], 'demo'],
])('%j shows all there is', async (args, word) => {
  expect(await home.run(...args)).toMatchObject({ code: 0, stdout: expect.stringContaining(word) });
});
