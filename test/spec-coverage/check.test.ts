// The check of docs/spec-coverage.md finds what it is there to find.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'passfob-coverage-'));
afterAll(() => rmSync(folder, { recursive: true }));

const report = {
  testResults: [
    {
      name: resolve('test/a.test.ts'),
      assertionResults: [
        { ancestorTitles: ['a key', 'with 1'], title: 'opens (twice)', status: 'passed' },
        { ancestorTitles: ['a key', 'with 2'], title: 'opens (twice)', status: 'passed' },
        { ancestorTitles: [], title: 'closes', status: 'failed' },
        { ancestorTitles: [], title: 'sleeps', status: 'skipped' },
      ],
    },
  ],
};

const e2e = join(folder, 'a.e2e.ts');
writeFileSync(e2e, "describe('a lock', () => test('opens with $key', () => {}));");

function check(...rows: string[]): { code: number | null; output: string } {
  const [table, results] = [join(folder, 'table.md'), join(folder, 'report.json')];
  const head = ['# Title', '', '| id | section | behaviour | test | note |', '|---|---|---|---|---|'];
  writeFileSync(table, [...head, ...rows].join('\n'));
  writeFileSync(results, JSON.stringify(report));
  const script = resolve('test/spec-coverage/check.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, table, results], { encoding: 'utf8' });
  return { code: status, output: stdout + stderr };
}

describe('the table of requirements', () => {
  it('may name tests that passed, one or several, or say why there is none', () => {
    const { code, output } = check(
      '| A | §1 | opens | `test/a.test.ts › a key › with 1 › opens (twice)` | |',
      '| B | §1 | opens | `test/a.test.ts › a key › with * › opens (twice)` | |',
      '| C | §1 | flies | | no wings |',
      `| D | §1 | opens | \`${e2e} › a lock › opens with *\` | |`,
    );
    expect([code, output]).toEqual([0, expect.stringContaining('4 requirements, 3 tested, 1 explained')]);
  });

  for (const [fault, row, message] of [
    ['a test that is not there', '| A | §1 | x | `test/a.test.ts › opens` | |', 'no such test: test/a.test.ts › opens'],
    ['an end-to-end test that is not there', `| A | §1 | x | \`${e2e} › shuts\` | |`, `no such test: ${e2e} › shuts`],
    ['an end-to-end test without a file', '| A | §1 | x | `b.e2e.ts › x` | |', 'no such test: b.e2e.ts › x'],
    ['a test that failed', '| A | §1 | x | `test/a.test.ts › closes` | |', 'failed: test/a.test.ts › closes'],
    ['a test that did not run', '| A | §1 | x | `test/a.test.ts › *s` | |', 'skipped: test/a.test.ts › sleeps'],
    ['neither a test nor an explanation', '| A | §1 | x | | |', 'line 5, A: neither a test nor an explanation'],
    ['a cell too few', '| A | §1 | x | |', 'line 5: expected 5 cells, got 4'],
    ['an id twice', '| A | §1 | x | | y |\n| A | §1 | x | | y |', 'line 6, A: the id is there twice'],
  ] as const) {
    it(`must not have ${fault}`, () => {
      const { code, output } = check(row);
      expect([code, output]).toEqual([1, expect.stringContaining(message)]);
    });
  }

  it('must not be empty', () => expect(check().code).toBe(1));
});
