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

/** As it comes from another machine: its path is another one there. */
const referees = {
  testResults: [
    {
      name: '/elsewhere/test/e2e/b.e2e.ts',
      assertionResults: [
        { ancestorTitles: ['over uhid'], title: 'signs', status: 'passed' },
        { ancestorTitles: ['over usbip'], title: 'signs', status: 'passed' },
        { ancestorTitles: [], title: 'hangs', status: 'failed' },
        { ancestorTitles: ['a page'], title: 'shows', status: 'skipped' },
      ],
    },
    {
      name: '/elsewhere/test/proof/c.proof.ts',
      assertionResults: [{ ancestorTitles: [], title: 'loses nothing', status: 'passed' }],
    },
  ],
};

const e2e = join(folder, 'a.e2e.ts');
writeFileSync(e2e, "import { x } from './suite.ts';\ndescribe('a lock', () => test('opens with $key', () => {}));");
writeFileSync(join(folder, 'suite.ts'), "test('closes', () => {});");

const file = (name: string, content: object) => {
  writeFileSync(join(folder, name), JSON.stringify(content));
  return join(folder, name);
};
const unitReport = file('unit.json', report);
const refereeReports = [file('chromium.json', { testResults: [] }), file('others.json', referees)];

function run(rows: readonly string[], arguments_: (table: string) => string[]): [number | null, string] {
  const table = join(folder, 'table.md');
  const head = ['# Title', '', '| id | section | behaviour | test | note |', '|---|---|---|---|---|'];
  writeFileSync(table, [...head, ...rows].join('\n'));
  const script = resolve('test/spec-coverage/check.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...arguments_(table)], { encoding: 'utf8' });
  return [status, stdout + stderr];
}

const check = (...rows: string[]) => run(rows, (table) => [table, unitReport]);
const checkReferees = (...rows: string[]) => run(rows, (table) => ['--referees', table, ...refereeReports]);

describe('the table of requirements', () => {
  it('may name tests that passed, one or several, or say why there is none', () => {
    const result = check(
      '| A | §1 | opens | `test/a.test.ts › a key › with 1 › opens (twice)` | |',
      '| B | §1 | opens | `test/a.test.ts › a key › with * › opens (twice)` | |',
      '| C | §1 | flies | | no wings |',
      `| D | §1 | opens | \`${e2e} › a lock › opens with *\` | |`,
      `| E | §1 | closes | \`${e2e} › closes\` | |`,
    );
    expect(result).toEqual([0, expect.stringContaining('5 requirements, 4 tested, 1 explained')]);
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
      expect(check(row)).toEqual([1, expect.stringContaining(message)]);
    });
  }

  it('must not be empty', () => expect(check()[0]).toBe(1));
});

describe('its rows with end-to-end tests', () => {
  const signs = '| A | §1 | signs | `test/e2e/b.e2e.ts › over * › signs` | |';

  it('may name tests that passed in any of the reports; others are none of their business', () => {
    const result = checkReferees(signs, '| B | §1 | x | `test/a.test.ts › not there` | |', '| C | §1 | x | | why |');
    expect(result).toEqual([0, expect.stringContaining('1 requirement with end-to-end tests')]);
  });

  it('may name proofs, which run along', () => {
    const proof = '| A | §1 | keeps | `test/proof/c.proof.ts › loses nothing` | |';
    expect(checkReferees(proof)).toEqual([0, expect.stringContaining('1 requirement with end-to-end tests')]);
  });

  it('may name tests that were skipped if the note says where', () => {
    const row = '| B | §1 | shows | `test/e2e/b.e2e.ts › a page › shows` | skipped on slow processors |';
    expect(checkReferees(row)).toEqual([0, expect.stringContaining('B: skipped: test/e2e/b.e2e.ts › a page › shows')]);
  });

  for (const [fault, row, message] of [
    [
      'were skipped',
      '| B | §1 | x | `test/e2e/b.e2e.ts › a page › shows` | slow |',
      'skipped: test/e2e/b.e2e.ts › a page',
    ],
    ['failed, whatever the note', '| B | §1 | x | `test/e2e/b.e2e.ts › hangs` | skipped on x |', 'failed: test/e2e/b'],
    [
      'did not run, whatever the note',
      '| B | §1 | x | `test/e2e/c.e2e.ts › x` | skipped on x |',
      'no such test: test/e2e/c',
    ],
  ] as const) {
    it(`must not name tests that ${fault}`, () => {
      expect(checkReferees(signs, row)).toEqual([1, expect.stringContaining(message)]);
    });
  }

  it('must be there', () => expect(checkReferees('| A | §1 | x | | why |')[0]).toBe(1));

  it('must have their reports', () => {
    const result = run([signs], (table) => ['--referees', table, ...refereeReports, join(folder, 'none.json')]);
    expect(result).toEqual([2, expect.stringMatching(/^no report .*none\.json: npm run test:e2e writes it/)]);
  });
});
