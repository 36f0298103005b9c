// A folder for what the tests of one run share; vitest's workers find it in the environment.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'passfob-run-'));
  process.env['PASSFOB_E2E_RUN'] = folder;
  return () => rmSync(folder, { recursive: true });
}
