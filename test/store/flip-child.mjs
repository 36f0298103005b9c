// Flips one byte after another in a copy of a vault's file, opens it, reads all and writes once; prints a line of JSON
// for each flip before (so that a dead process can be told) and after. Runs on its own because a failure may kill it.
// Arguments: folder of the good vault, work folder, first offset, step, and the masks to flip with, in turn.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { openVault } from '../../dist/store/vault.js';

const [good, work, first, step, ...masks] = process.argv.slice(2);
const file = readFileSync(`${good}/data.mdb`);
const unlock = { passphrase: 'correct horse' };

mkdirSync(work, { recursive: true });
copyFileSync(`${good}/data.mdb`, `${work}/data.mdb`);
const expected = await look();

// Behind the last page there is only room made ahead, all zeros.
const used = file.findLastIndex((byte) => byte !== 0) + 1;
for (let offset = Number(first); offset < used; offset += Number(step)) {
  const bad = Buffer.from(file);
  bad[offset] ^= Number(masks[offset % masks.length]);
  writeFileSync(`${work}/data.mdb`, bad);
  say({ offset });
  say({ offset, ...compare(await look()) });
}

async function look() {
  rmSync(`${work}/lock.mdb`, { force: true });
  let vault;
  try {
    vault = await openVault(work, unlock);
  } catch (error) {
    return { open: told(error) };
  }
  const seen = { device: attempt(() => vault.device), count: attempt(() => vault.signCount) };
  for (let number = 1; number <= 4; number++) {
    seen[`credential ${number}`] = attempt(() => vault.credential(new Uint8Array(32).fill(number)));
  }
  for (const rp of [0xaa, 0xbb])
    seen[`relying party ${rp}`] = attempt(() => vault.credentialsOf(new Uint8Array(32).fill(rp)));
  seen.all = [...vault.credentials()].map((entry) => (entry instanceof Error ? told(entry) : JSON.stringify(entry)));
  const filled = (number, length = 32) => new Uint8Array(length).fill(number);
  const keys = { privateKey: filled(9), publicKey: filled(9, 65) };
  const added = {
    id: filled(5),
    rpIdHash: filled(0xaa),
    algorithm: -7,
    ...keys,
    kind: 'device-bound',
    credProtect: 1,
    credRandom: { withUV: new Uint8Array(32), withoutUV: new Uint8Array(32) },
    thirdPartyPayment: false,
    rpId: 'a',
    user: { id: filled(1) },
    createdAt: 1,
  };
  try {
    await vault.update((tx) => tx.putCredential(added));
    seen.added = JSON.stringify(vault.credential(added.id));
  } catch (error) {
    seen.added = told(error);
  }
  await vault.close().catch(() => {});
  return seen;
}

function attempt(read) {
  try {
    return JSON.stringify(read());
  } catch (error) {
    return told(error);
  }
}

function told(error) {
  return error.name === 'VaultError' ? `VaultError ${error.code}` : `BUG ${error.stack}`;
}

/** What differs from the good vault must be a VaultError; of all credentials only some may be damaged. */
function compare(seen) {
  if (seen.open) return { result: seen.open };
  const wrong = Object.keys(expected).filter((name) => {
    if (name === 'all')
      return seen.all.some((entry) => !expected.all.includes(entry) && !entry.startsWith('VaultError '));
    return seen[name] !== expected[name] && !seen[name]?.startsWith('VaultError ');
  });
  // A record with a damaged key is told twice: here is one that does not open, there is one missing.
  if (seen.all.length < expected.all.length) wrong.push('length');
  if (wrong.length > 0) return { result: 'WRONG', wrong, seen };
  return { result: JSON.stringify(seen) === JSON.stringify(expected) ? 'same' : 'damage told' };
}

function say(line) {
  writeSync(1, `${JSON.stringify(line)}\n`);
}
