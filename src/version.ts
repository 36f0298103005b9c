// The program's version, read from package.json so that it stands in one place.

import { readFileSync } from 'node:fs';

/** From `dist/src/` as well as from the sources. */
const packageFile = [new URL('../../package.json', import.meta.url), new URL('../package.json', import.meta.url)];

export const version: string = readVersion();

const [major = 0, minor = 0, build = 0] = version.split('.').map((part) => Number.parseInt(part, 10));

/** As CTAPHID_INIT reports it: one byte each. */
export const versionParts = { major, minor, build };

function readVersion(): string {
  for (const file of packageFile) {
    try {
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string };
      if (name === 'passfob') return version;
    } catch {
      // Not there: this is the other of the two places.
    }
  }
  return '0.0.0';
}
