// Holds docs/spec-coverage.md against JSON reports of tests: every row names tests that ran and passed, or says why there is
// none. `npm run check:coverage` judges the unit tests so, and of end-to-end tests, which run elsewhere, only that they are
// written; `npm run check:referees` (`--referees`) judges those, after they ran. Arguments: the document, the reports.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @typedef {{ ancestorTitles: string[], title: string, status: string }} TestResult
 * @typedef {{ testResults: { name: string, assertionResults: TestResult[] }[] }} Report
 * @typedef {{ line: number, id: string, tests: string[], note: string }} Row
 */

const header = ['id', 'section', 'behaviour', 'test', 'note'];
const separator = ' › ';

/** The rows of all tables that have our header. */
function readRows(/** @type {string} */ markdown) {
  /** @type {Row[]} */
  const rows = [];
  let isOurs = false;
  for (const [index, line] of markdown.split('\n').entries()) {
    const cells = line.startsWith('|') ? line.split('|').slice(1, -1) : [];
    const [id = '', , , test = '', note = ''] = cells.map((cell) => cell.trim());
    if (cells.length === 0) isOurs = false;
    else if (cells.every((cell, i) => cell.trim() === header[i])) isOurs = true;
    else if (isOurs && !/^:?-+:?$/.test(id)) {
      if (cells.length !== header.length) throw new Error(`line ${index + 1}: expected 5 cells, got ${cells.length}`);
      const tests = [...test.matchAll(/`([^`]+)`/g)].flatMap(([, name]) => (name === undefined ? [] : [name]));
      rows.push({ line: index + 1, id, tests, note });
    }
  }
  return rows;
}

/** Every test as `path › describe › name`, with its outcome; of several tests of one name the worst counts. */
function readOutcomes(/** @type {Report[]} */ reports) {
  /** @type {Map<string, string>} */
  const outcomes = new Map();
  for (const { name: file, assertionResults } of reports.flatMap(({ testResults }) => testResults)) {
    // The emulated machine has the repository in another place.
    const path = file.slice(file.lastIndexOf('/test/') + 1);
    for (const { ancestorTitles, title, status } of assertionResults) {
      const name = [path, ...ancestorTitles, title].join(separator);
      if ((outcomes.get(name) ?? 'passed') === 'passed') outcomes.set(name, status);
    }
  }
  return outcomes;
}

/** Proofs run along with the end-to-end tests. */
const isEndToEnd = (/** @type {string} */ test) => /^[^ ]+\.(e2e|proof)\.ts /.test(test);

/** What is wrong with the table; nothing, if all is well. */
function findFaults(/** @type {Row[]} */ rows, /** @type {(row: Row, test: string) => string[]} */ judge) {
  const ids = new Set();
  return rows.flatMap((row) => {
    const faults = row.tests.flatMap((test) => judge(row, test));
    if (ids.has(row.id)) faults.push('the id is there twice');
    ids.add(row.id);
    if (row.tests.length === 0 && row.note === '') faults.push('neither a test nor an explanation');
    return faults.map((fault) => `line ${row.line}, ${row.id}: ${fault}`);
  });
}

/** What the reports say against a test. `*` in its name stands for anything. */
function judgeOutcome(
  /** @type {Map<string, string>} */ outcomes,
  /** @type {Row} */ { id, note },
  /** @type {string} */ test,
) {
  const pattern = new RegExp(`^${test.split('*').map(escapePattern).join('.*')}$`, 'u');
  const named = [...outcomes].filter(([name]) => pattern.test(name));
  if (named.length === 0) return [`no such test: ${test}`];
  return named.flatMap(([name, status]) => {
    if (status === 'passed') return [];
    const fault = `${status}: ${name}`;
    if (status !== 'skipped' || !note.includes('skipped on ')) return [fault];
    console.log(`${id}: ${fault}`);
    return [];
  });
}

/** Whether a test's titles are in its file or in one beside it that this imports; `*` also stands for what they compute. */
function isWritten(/** @type {string} */ test) {
  const [file = '', ...titles] = test.split(separator);
  const own = read(file);
  const imported = [...own.matchAll(/from '(\.\/[^']+)'/g)].map(([, path = '']) => read(join(dirname(file), path)));
  const source = [own, ...imported].join('\n');
  return titles.length > 0 && titles.every((title) => title.split('*').every((piece) => source.includes(piece)));
}

function read(/** @type {string} */ path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function escapePattern(/** @type {string} */ text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

const [first, ...others] = process.argv.slice(2);
const ofReferees = first === '--referees';
const [documentPath, ...reportPaths] = ofReferees ? others : [first, ...others];
if (!documentPath || reportPaths.length === 0) {
  console.error('usage: node check.mjs [--referees] DOCUMENT REPORT...');
  process.exit(2);
}
for (const path of reportPaths.filter((path) => !existsSync(path))) {
  console.error(`no report ${path}: npm run ${ofReferees ? 'test:e2e' : 'check:tests'} writes it`);
  process.exit(2);
}
const all = readRows(readFileSync(documentPath, 'utf8'));
const outcomes = readOutcomes(reportPaths.map((path) => JSON.parse(readFileSync(path, 'utf8'))));
const rows = ofReferees ? all.filter(({ tests }) => tests.some(isEndToEnd)) : all;
const faults = findFaults(rows, (row, test) => {
  if (isEndToEnd(test) === ofReferees) return judgeOutcome(outcomes, row, test);
  return ofReferees || isWritten(test) ? [] : [`no such test: ${test}`];
});
if (rows.length === 0) faults.push('no table of requirements');
for (const fault of faults) console.error(`${documentPath}: ${fault}`);
const tested = rows.filter(({ tests }) => tests.length > 0).length;
const count = `${rows.length} requirement${rows.length === 1 ? '' : 's'}`;
const detail = ofReferees ? 'with end-to-end tests' : `${tested} tested, ${rows.length - tested} explained`;
console.log(`${documentPath}: ${count}${ofReferees ? ' ' : ', '}${detail}`);
process.exitCode = faults.length > 0 ? 1 : 0;
