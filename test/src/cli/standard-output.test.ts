// What is printed and does not arrive: on a full disk, or since its reader went away.

import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Home } from '../../support/program.ts';

const full = '/dev/full';

describe.runIf(existsSync(full))('a disk that is full', () => {
  let home: Home;
  beforeAll(async () => {
    home = new Home();
    await home.makeVault();
  });
  afterAll(() => home.remove());

  test.each([[['dump', '--secrets']], [['credentials', 'list', '--json']], [['vault', 'slots', 'list']]])(
    'fails %j',
    { timeout: 60_000 },
    async (args) => {
      const { code, stderr } = await home.runInto(full, ...args);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: cannot write to standard output: ENOSPC/)]);
    },
  );

  test('tells which slot opens with words that nobody has seen', { timeout: 60_000 }, async () => {
    const { code, stderr } = await home.runInto(full, 'vault', 'slots', 'add', 'recovery-phrase');
    const slots = (await home.json('vault', 'slots', 'list')) as { id: string; kind: string }[];
    const made = slots.find(({ kind }) => kind === 'recovery-phrase');
    expect(code).toBe(1);
    expect(stderr).toContain(`\`passfob vault slots remove ${made?.id}\``);
  });
});
