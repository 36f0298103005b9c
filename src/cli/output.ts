// How results are shown: JSON for programs, aligned columns for people.

import { oneLine } from '../log.ts';

export function printJson(value: unknown): void {
  console.log(formatJson(value));
}

/**
 * The same value for every parser, and harmless for the terminal: JSON itself escapes only some control characters.
 * @param indent spaces a level; 0: all on one line
 */
export function formatJson(value: unknown, indent = 2): string {
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, undefined, indent).replace(/[\x7f-\x9f\p{Cf}\u2028\u2029]/gu, (character) =>
    character.split('').map(escaped).join(''),
  );
}

/** `rows` under `headings`, columns aligned. Text from websites is made harmless for the terminal. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const clean = rows.map((row) => row.map(oneLine));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...clean.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of [headings, ...clean]) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  }
}

/** `name  value` lines, the values aligned. */
export function printFields(fields: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(...fields.map(([name]) => name.length));
  for (const [name, value] of fields) console.log(`${name.padEnd(width)}  ${oneLine(value)}`);
}

/** `2026-11-23 10:15` in local time. */
export function formatDate(iso: string): string {
  const date = new Date(iso);
  const two = (part: number) => String(part).padStart(2, '0');
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}`
  );
}
