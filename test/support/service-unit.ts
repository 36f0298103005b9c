// A systemd unit as text, as far as tests need it: the values of its settings, and what its specifiers stand for.

import { readFileSync } from 'node:fs';

export class ServiceUnit {
  readonly #lines: readonly string[];

  /** `specifiers`: what `%S` and the like become, by their letter. */
  constructor(file: string, specifiers: Readonly<Record<string, string>>) {
    const expand = (line: string) => line.replace(/%(.)/g, (whole, letter: string) => specifiers[letter] ?? whole);
    this.#lines = readFileSync(new URL(`../../packaging/${file}`, import.meta.url), 'utf8')
      .split('\n')
      .map(expand);
  }

  /** Each value that the setting is given, in order. */
  values(setting: string): string[] {
    return this.#lines.filter((line) => line.startsWith(`${setting}=`)).map((line) => line.slice(setting.length + 1));
  }

  /** All that the service's process finds in its environment, besides what systemd says of itself. */
  get environment(): Record<string, string> {
    const assignments = this.values('Environment').flatMap((value) => value.split(' '));
    return Object.fromEntries(assignments.map((each) => each.split('=') as [string, string]));
  }
}
