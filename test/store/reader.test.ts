// docs/store-format.md is enough to read a vault: test/store/reader/ was written from it alone, in another language and
// without a line of ours, and sees in every kind of vault what openVault sees.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Credential, DeviceState } from '../../ctap/env.ts';
import { openDatabase, transact } from '../../store/database.ts';
import { readHeader, writeHeader } from '../../store/header-store.ts';
import { createVault, newRecoveryPhrase, type OpenVault, openVault, VaultError } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const program = new URL('reader/read_vault.py', import.meta.url).pathname;
const hasPython = spawnSync('python3', ['--version']).status === 0;

const passphrase = 'corr\u00e9ct horse';
const keyFile = Buffer.from('a key file, of any length');
const bytes = (length: number, byte: number) => new Uint8Array(length).fill(byte);
const hex = (value: Uint8Array) => Buffer.from(value).toString('hex');

let root: string;
let directory: string;
beforeEach(({ skip }) => {
  skip(!hasPython, 'there is no python3 here');
  root = mkdtempSync(join(tmpdir(), 'passfob-reader-'));
  directory = join(root, 'vault');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Printed {
  readonly format: number;
  readonly generation: number;
  readonly device: object;
  readonly counter: object;
  readonly credentials: { readonly 1: string }[];
  readonly damaged: readonly string[];
}

function runReader(input: string, ...options: string[]) {
  const { status, stdout, stderr } = spawnSync('python3', ['-B', program, directory, ...options], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return { status, stderr, printed: stdout ? (JSON.parse(stdout) as Printed) : undefined };
}

const byPassphrase = (text = passphrase) => runReader(text);

function byKeyFile() {
  writeFileSync(join(root, 'key'), keyFile);
  return runReader('', '--key-file', join(root, 'key'));
}

function byPhrase(phrase: string) {
  writeFileSync(join(root, 'english.txt'), wordlist.join('\n'));
  return runReader(phrase, '--words', join(root, 'english.txt'));
}

/** What the reader must print of what passfob reads; the numbers are those of docs/store-format.md. */
async function expectedOf(unlock: Parameters<typeof openVault>[1], generation = 0) {
  const vault = await openVault(directory, unlock);
  const credentials = [...vault.credentials()].map((credential) => {
    if (credential instanceof VaultError) throw credential;
    return membersOf(credential);
  });
  const device = { ...membersOfDevice(vault.device), 19: vault.credentialCount() };
  const counter = { 1: vault.signCount };
  await vault.close();
  return { format: 2, generation, device, counter, credentials: credentials.toSorted(byId), damaged: [] };
}

function membersOf(credential: Credential) {
  return asPrinted({
    1: credential.id,
    2: credential.rpIdHash,
    3: credential.algorithm,
    4: credential.privateKey,
    5: credential.publicKey,
    6: credential.rpId,
    7: credential.rpName,
    8: credential.user.id,
    9: credential.user.name,
    10: credential.user.displayName,
    11: credential.createdAt,
    12: credential.kind === 'synced' ? 1 : 0,
    13: credential.credProtect,
    14: Buffer.concat([credential.credRandom.withUV, credential.credRandom.withoutUV]),
    15: credential.thirdPartyPayment,
    16: credential.credBlob,
    17: credential.largeBlobKey,
  });
}

function membersOfDevice(device: DeviceState) {
  return asPrinted({
    1: device.credentialIdKey,
    2: device.pin?.salt,
    3: device.pin?.verifier,
    4: device.pin?.codePointLength,
    5: device.pinRetries,
    6: device.uvRetries,
    7: device.forcePINChange,
    8: device.minPINLength,
    9: device.minPinLengthRPIDs,
    10: device.pinComplexityPolicy,
    11: device.alwaysUv,
    12: device.enterpriseAttestation,
    13: device.longTouchForReset,
    14: device.largeBlobArray,
    15: device.persistentPinUvAuthToken ?? undefined,
    16: device.deviceIdentifier,
    17: device.credentialStoreState,
    18: device.credentialKind === 'synced' ? 1 : 0,
    20: device.restoredIdKeys.length > 0 ? device.restoredIdKeys : undefined,
  });
}

/** As the reader prints it: bytes in hexadecimal, and no members without a value. */
function asPrinted(members: Record<number, unknown>): { readonly 1: string } {
  const present = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present.map(([member, value]) => [member, inHex(value)])) as { 1: string };
}

function inHex(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  return Array.isArray(value) ? value.map(inHex) : value;
}

const byId = (a: { readonly 1: string }, b: { readonly 1: string }) => (a[1] < b[1] ? -1 : 1);
const sorted = (printed: Printed | undefined) =>
  printed && { ...printed, credentials: printed.credentials.toSorted(byId) };

const put = (vault: OpenVault, ...credentials: Credential[]) =>
  vault.update((tx) => {
    for (const credential of credentials) tx.putCredential(credential);
  });

/** One of each shape that a credential may have. */
const { rpName: _, ...nameless } = sampleCredential(5, { user: { id: bytes(64, 5) } });
const kinds: readonly Credential[] = [
  sampleCredential(1, { credBlob: bytes(32, 8), largeBlobKey: bytes(32, 9), credProtect: 3 }),
  sampleCredential(2, { kind: 'synced', algorithm: -8, publicKey: bytes(32, 2), rpIdHash: bytes(32, 0xbb) }),
  sampleCredential(3, { algorithm: -36, privateKey: bytes(66, 3), publicKey: bytes(133, 3), thirdPartyPayment: true }),
  // Longer than a page.
  sampleCredential(4, { algorithm: -50, publicKey: bytes(2592, 4), credBlob: bytes(2500, 4), id: bytes(255, 4) }),
  nameless,
];

const makeVault = () => createVault(directory, { passphrase }, { scryptLogN: 4 });

describe('a reader written from the document alone', () => {
  it('reads a new vault', async () => {
    await (await makeVault()).close();
    expect(byPassphrase()).toMatchObject({ status: 0, printed: await expectedOf({ passphrase }) });
  });

  it('reads every kind of credential and every member of the device', async () => {
    const vault = await makeVault();
    await put(vault, ...kinds);
    await vault.update((tx) =>
      tx.setDevice({
        pin: { salt: bytes(16, 1), verifier: bytes(32, 2), codePointLength: 6 },
        pinRetries: 3,
        minPinLengthRPIDs: ['example.org', 'b\u00fccher.example'],
        alwaysUv: true,
        largeBlobArray: bytes(16_384, 3),
        persistentPinUvAuthToken: bytes(32, 4),
        credentialKind: 'synced',
        restoredIdKeys: [bytes(32, 5), bytes(32, 6)],
      }),
    );
    for (let i = 0; i < 3; i++) vault.nextSignCount();
    await vault.close();
    const { status, printed } = byPassphrase();
    expect(sorted(printed)).toEqual(await expectedOf({ passphrase }));
    expect(status).toBe(0);
  });

  it('reads a tree of several levels', async () => {
    const vault = await makeVault();
    const ids = Array.from({ length: 150 }, (_, index) => Buffer.alloc(16, `credential ${index} `));
    await put(vault, ...ids.map((id, index) => sampleCredential(1, { id, rpIdHash: bytes(32, index % 7) })));
    await vault.update((tx) => {
      for (const id of ids.slice(50, 80)) tx.deleteCredential(id);
    });
    await vault.close();
    const { status, printed } = byPassphrase();
    expect(sorted(printed)).toEqual(await expectedOf({ passphrase }));
    expect(status).toBe(0);
  });

  it('opens by each way in, before and after a rekeying', async () => {
    const phrase = await newRecoveryPhrase();
    const vault = await makeVault();
    await vault.addSlot({ keyFile }, { label: 'on the stick' });
    await vault.addSlot({ recoveryPhrase: phrase });
    await vault.addSlot({ keyring: { id: '0badcafe', secret: bytes(32, 1) } });
    await put(vault, ...kinds);
    for (const generation of [0, 1]) {
      const expected = generation === 0 ? undefined : await vault.rekey();
      const all = [byPassphrase(passphrase.normalize('NFD')), byKeyFile(), byPhrase(phrase.toUpperCase())];
      for (const { printed, status } of all) {
        expect(status).toBe(0);
        expect(printed?.generation).toBe(expected ? 1 : 0);
        expect(printed?.credentials.toSorted(byId)).toEqual(kinds.map(membersOf).toSorted(byId));
      }
    }
    await vault.close();
  });

  it('reads both generations of a rekeying that was cut short', async () => {
    const vault = await makeVault();
    const all = Array.from({ length: 70 }, (_, index) => sampleCredential(index + 1));
    await put(vault, ...all);
    const cut = vault.rekey({
      onProgress: (moved) => {
        if (moved > 0) throw new Error('cut short');
      },
    });
    await expect(cut).rejects.toThrow('cut short');
    const { status, printed } = byPassphrase();
    expect(printed).toMatchObject({ generation: 1, damaged: [], counter: { 1: 0 } });
    expect(sorted(printed)?.credentials).toEqual(all.map(membersOf));
    expect(status).toBe(0);
    await vault.close();
  });

  it.each([1, 2])('reads the sample of format %i', async (format) => {
    mkdirSync(directory);
    const sample = gunzipSync(readFileSync(new URL(`samples/format-${format}.mdb.gz`, import.meta.url)));
    writeFileSync(join(directory, 'data.mdb'), sample);
    const { status, printed } = runReader('correct horse\n');
    const expected = await expectedOf({ passphrase: 'correct horse' });
    const { 19: __, ...deviceOfFormat1 } = expected.device;
    expect(printed?.format).toBe(format);
    const sameFormat = format === 1 ? { ...expected, format, device: deviceOfFormat1 } : expected;
    expect(sorted(printed)).toEqual(sameFormat);
    expect(status).toBe(0);
  });

  it('refuses what opens no slot', async () => {
    const vault = await makeVault();
    await vault.addSlot({ recoveryPhrase: await newRecoveryPhrase() });
    await vault.close();
    const noSlot = { status: 1, printed: undefined, stderr: expect.stringContaining('no slot opens with this') };
    expect(byPassphrase('wrong')).toEqual(noSlot);
    expect(byKeyFile()).toEqual(noSlot);
    expect(byPhrase(await newRecoveryPhrase())).toEqual(noSlot);
    expect(byPhrase(`${'abandon '.repeat(23)}abandon`).stderr).toContain('checksum is wrong');
  });

  it('refuses a header that somebody without the root key wrote', async () => {
    await (await makeVault()).close();
    const { database } = openDatabase(directory);
    transact(database, 2, () => writeHeader(database, { ...readHeader(database) }, bytes(32, 1)));
    await database.close();
    expect(byPassphrase().stderr).toContain('somebody without the root key');
  });

  it('tells which record is damaged, and prints the rest', async () => {
    const vault = await makeVault();
    await put(vault, ...kinds);
    await vault.close();
    const { database } = openDatabase(directory);
    const [place] = Array.from(database.lmdb.getKeys({ start: Uint8Array.of(0x10) }), (key) => Buffer.from(key));
    if (!place) throw new Error('there is no credential');
    const sealed = database.lmdb.getBinary(place) ?? Buffer.alloc(0);
    const damaged = sealed.with(40, (sealed[40] ?? 0) ^ 0x40);
    transact(database, 1, () => void database.lmdb.putSync(place, Buffer.from(damaged)));
    await database.close();
    const { status, printed } = byPassphrase();
    expect(printed?.damaged).toEqual([hex(place), '02']);
    expect(printed?.credentials).toHaveLength(kinds.length - 1);
    expect(status).toBe(2);
  });

  it('refuses a file whose tree is damaged', async () => {
    await (await makeVault()).close();
    const file = join(directory, 'data.mdb');
    copyFileSync(file, join(root, 'whole'));
    const whole = readFileSync(file);
    for (const at of [18, 24, 4096 + 152]) {
      writeFileSync(file, whole.with(at, (whole[at] ?? 0) ^ 0x40));
      expect(byPassphrase()).toMatchObject({ status: 1, printed: undefined });
    }
  });
});
