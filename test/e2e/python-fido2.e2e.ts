// python-fido2, the library behind many tools for keys: its client and its relying party against a key that also
// verifies its user itself. The checks are in python/checks.py; one key lives through them in this order.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, startDaemon } from './daemon.ts';

let daemon: Daemon;
let checks: Checks;

beforeAll(async () => {
  [daemon, checks] = await Promise.all([startDaemon({ verify: true }), startChecks()]);
});
afterAll(async () => {
  checks?.end();
  await daemon?.stop();
});

test.each([
  ['reads what the key says of itself, and insists on canonical CBOR', 'info'],
  ['registers and signs in over U2F, and verifies both', 'u2f'],
  ['its relying party verifies ES256 and EdDSA, found by their ids and without', 'relying_party'],
  ['sets and changes the PIN, with both PIN protocols', 'pin'],
  ['gets tokens by PIN and by the key’s own verification, good for one permission and one site', 'tokens'],
  ['derives the same secrets from the same salts, with both PIN protocols', 'hmac_secret'],
  ['makes protected credentials of all three levels', 'cred_protect'],
  ['stores a small blob with a credential', 'cred_blob'],
  ['lists, renames and deletes credentials, with both PIN protocols', 'credential_management'],
  ['stores, reads and deletes large blobs, with both PIN protocols', 'large_blobs'],
  ['configures alwaysUv, the least length of PINs, who may learn it, and a forced change', 'config'],
])('%s', async (_, check) => {
  expect(await checks.run(check, (await daemon.node()).path)).toBe('ok');
});

test('resets the key soon after it was plugged in', async () => {
  await daemon.control.replug();
  expect(await checks.run('reset', (await daemon.node()).path)).toBe('ok');
});

interface Checks {
  /** Resolves to `ok`, or to what went wrong. */
  run(check: string, node: string): Promise<string>;
  end(): void;
}

/** One Python for all: on a slow machine it takes a quarter of a minute to start. */
async function startChecks(): Promise<Checks> {
  const script = new URL('python/checks.py', import.meta.url).pathname;
  const { stdin, stdout } = spawn('/usr/bin/python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const answer = async () => String((await answers.next()).value);
  await answer();
  return {
    run(check, node) {
      stdin.write(`${check} ${node}\n`);
      return answer();
    },
    end: () => stdin.end(),
  };
}
