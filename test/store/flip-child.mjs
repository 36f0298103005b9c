// Flips one byte after another in a copy of a vault's file, opens it, reads all and writes once; where a record is
// damaged it then restores the credentials that do not open, and drops the damage, after which all must be as it was.
// The bytes of a gap are flipped at once: if that changes nothing, none of them does.
// Prints a line of JSON for each flip before (so that a dead process can be told) and after. Runs on its own because a failure may kill it.
// Arguments: folder of the good vault, work folder, ranges of offsets as JSON, and the masks to flip with, in turn.
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { openVault } from '../../dist/store/vault.js';

const [good, work, ranges, ...masks] = process.argv.slice(2);
const file = readFileSync(`${good}/data.mdb`);
const unlock = { passphrase: 'correct horse' };

mkdirSync(work, { recursive: true });
copyFileSync(`${good}/data.mdb`, `${work}/data.mdb`);
const backup = await readBackup();
const expected = await look();

for (const { first, step, end, isGap } of JSON.parse(ranges)) {
  const offsets = [];
  for (let offset = first; offset < end; offset += step) offsets.push(offset);
  if (isGap && (await flip(offsets)) === 'same') continue;
  for (const offset of offsets) await flip([offset]);
}

async function flip(offsets) {
  copyFileSync(`${good}/data.mdb`, `${work}/data.mdb`);
  const bad = openSync(`${work}/data.mdb`, 'r+');
  for (const offset of offsets) {
    writeSync(bad, Uint8Array.of(file[offset] ^ Number(masks[offset % masks.length])), 0, 1, offset);
  }
  closeSync(bad);
  const which = { offset: offsets[0], bytes: offsets.length };
  say(which);
  const seen = compare(await look());
  say({ ...which, ...seen });
  return seen.result;
}

async function readBackup() {
  const vault = await openVault(work, unlock);
  const credentials = [1, 2, 3, 4].map((number) => structuredClone(vault.credential(new Uint8Array(32).fill(number))));
  await vault.close();
  return credentials;
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
  const isDamaged = JSON.stringify(seen).includes('VaultError');
  // Where the records that there is one of each are damaged, only another vault helps.
  const isCurable = ![seen.device, seen.count].some((read) => read.startsWith('VaultError'));
  seen.cured = isDamaged && isCurable ? await cure(vault) : '';
  await vault.close().catch(() => {});
  return seen;
}

/** What is still wrong after a restore and after the damaged records are dropped; empty: nothing. */
async function cure(vault) {
  try {
    const lost = backup.filter(({ id }) => attempt(() => vault.credential(id)).startsWith('VaultError'));
    await vault.update((tx) => {
      for (const credential of lost) tx.putCredential(credential);
    });
    for (const { id, rpIdHash } of backup) {
      if (JSON.stringify(vault.credential(id)) === undefined) return 'a restored credential is not there';
      if (vault.credential(id).rpIdHash[0] !== rpIdHash[0]) return 'a restored credential is another';
    }
    await vault.rekey({ dropDamaged: true });
    const all = [...vault.credentials()];
    if (all.some((entry) => entry instanceof Error)) return 'a damaged record is left';
    const sites = [0xaa, 0xbb].map((rp) => vault.credentialsOf(new Uint8Array(32).fill(rp)).length);
    const counts = JSON.stringify([all.length, vault.credentialCount(), ...sites]);
    return counts === '[5,5,3,2]' ? '' : `counted ${counts}`;
  } catch (error) {
    return told(error);
  }
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
    if (name === 'cured') return seen.cured !== '';
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
