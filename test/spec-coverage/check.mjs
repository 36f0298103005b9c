// Holds docs/spec-coverage.md against a JSON report of the unit tests: every row names tests that ran and passed, or says
// why there is none. Of end-to-end tests, which run elsewhere, it sees that they are there. Arguments: the document, the
// report. `npm run check:coverage`.

import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

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
function readOutcomes(/** @type {Report} */ report) {
  /** @type {Map<string, string>} */
  const outcomes = new Map();
  for (const { name: file, assertionResults } of report.testResults) {
    for (const { ancestorTitles, title, status } of assertionResults) {
      const name = [relative('.', file), ...ancestorTitles, title].join(separator);
      if ((outcomes.get(name) ?? 'passed') === 'passed') outcomes.set(name, status);
    }
  }
  return outcomes;
}

/** What is wrong with the table; nothing, if all is well. `*` in a test's name stands for anything. */
function findFaults(/** @type {Row[]} */ rows, /** @type {Map<string, string>} */ outcomes) {
  const all = [...outcomes];
  const ids = new Set();
  return rows.flatMap(({ line, id, tests, note }) => {
    const faults = [];
    if (ids.has(id)) faults.push('the id is there twice');
    ids.add(id);
    if (tests.length === 0 && note === '') faults.push('neither a test nor an explanation');
    for (const test of tests) {
      if (/^[^ ]+\.e2e\.ts /.test(test)) {
        if (!isWritten(test)) faults.push(`no such test: ${test}`);
        continue;
      }
      const pattern = new RegExp(`^${test.split('*').map(escapePattern).join('.*')}$`, 'u');
      const named = all.filter(([name]) => pattern.test(name));
      if (named.length === 0) faults.push(`no such test: ${test}`);
      for (const [name, status] of named) if (status !== 'passed') faults.push(`${status}: ${name}`);
    }
    return faults.map((fault) => `line ${line}, ${id}: ${fault}`);
  });
}

/** Whether the file that a test names has its titles, where `*` also stands for what the file computes. */
function isWritten(/** @type {string} */ test) {
  const [file = '', ...titles] = test.split(separator);
  const source = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return titles.length > 0 && titles.every((title) => title.split('*').every((piece) => source.includes(piece)));
}

function escapePattern(/** @type {string} */ text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

const [documentPath, reportPath] = process.argv.slice(2);
if (!documentPath || !reportPath) {
  console.error('usage: node check.mjs DOCUMENT REPORT');
  process.exit(2);
}
if (!existsSync(reportPath)) {
  console.error(`no report ${reportPath}: npm run check:tests writes it`);
  process.exit(2);
}
const rows = readRows(readFileSync(documentPath, 'utf8'));
const faults = findFaults(rows, readOutcomes(JSON.parse(readFileSync(reportPath, 'utf8'))));
if (rows.length === 0) faults.push('no table of requirements');
for (const fault of faults) console.error(`${documentPath}: ${fault}`);
const tested = rows.filter(({ tests }) => tests.length > 0).length;
console.log(`${documentPath}: ${rows.length} requirements, ${tested} tested, ${rows.length - tested} explained`);
process.exit(faults.length > 0 ? 1 : 0);
