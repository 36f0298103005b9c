// One of the processes that use a vault at the same time, until it is killed: registers, renames, signs in, deletes and
// renews the root key as fast as it can. It prints a line of JSON before each change ("intent") and one when the change was acknowledged.
// Arguments: the vault's folder, the worker's number (its credentials' ids begin with it), the round, a seed, and where the
// lines go (standard output).
import { openSync, writeSync } from 'node:fs';
import { openVault } from '../../dist/store/vault.js';
// biome-ignore lint/correctness/useImportExtensions: this is the very file
import { credentialOf, numbers } from './credentials.mjs';

const [directory, worker, round, seed, output] = process.argv.slice(2);
const random = numbers(Number(seed));
const lines = output ? openSync(output, 'a') : 1;
const say = (line) => writeSync(lines, `${JSON.stringify(line)}\n`);

const vault = await openVault(directory, { passphrase: 'correct horse' });
const mine = new Map(
  [...vault.credentials()]
    .filter((credential) => credential.id[0] === Number(worker))
    .map(({ id, createdAt }) => [Buffer.from(id).toString('hex'), createdAt]),
);

async function change(id, version, act) {
  say({ intent: id, version });
  await vault.update(act);
  say({ done: id, version });
  if (version === 0) mine.delete(id);
  else mine.set(id, version);
}

let registered = 0;
function oneChange() {
  const known = [...mine.keys()];
  const victim = known[random(known.length)];
  const what = random(10);
  if (victim === undefined || (what < 5 && known.length < 40)) {
    const id = Buffer.from([
      Number(worker),
      Number(round) >> 8,
      Number(round) & 0xff,
      registered >> 8,
      registered++ & 0xff,
    ]);
    const hex = id.toString('hex').padEnd(64, '0');
    return change(hex, 1, (tx) => tx.putCredential(credentialOf(hex, 1)));
  }
  const version = mine.get(victim) + 1;
  mine.delete(victim); // nobody else changes it meanwhile
  if (what < 8) return change(victim, version, (tx) => tx.putCredential(credentialOf(victim, version)));
  return change(victim, 0, (tx) => tx.deleteCredential(Buffer.from(victim, 'hex')));
}

for (;;) {
  const changes = Array.from({ length: 1 + random(4) }, oneChange);
  for (let i = random(200); i > 0; i--) say({ count: vault.nextSignCount() });
  await Promise.all(changes);
  if (random(8) === 0) {
    await vault.rekey();
    say({ rekeyed: true });
  }
  await new Promise(setImmediate);
}
