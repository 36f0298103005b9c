import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Credential } from '../../ctap/env.ts';
import {
  createVault,
  newRecoveryPhrase,
  type OpenVault,
  openVault,
  VaultError,
  vaultExists,
} from '../../store/vault.ts';
import { sampleCredential, vaultContract } from '../support/vault-contract.ts';

const unlock = { passphrase: 'correct horse' };
const cheap = { scryptLogN: 4 };

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'passfob-vault-'));
  directory = join(root, 'vault');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

vaultContract('the vault on the disk', async () => {
  let vault = await createVault(directory, unlock, cheap);
  return {
    vault,
    reopen: async () => {
      await vault.close();
      vault = await openVault(directory, unlock);
      return vault;
    },
    close: () => vault.close(),
  };
});

async function makeVault(...credentials: Credential[]): Promise<OpenVault> {
  const vault = await createVault(directory, unlock, cheap);
  if (credentials.length > 0) await put(vault, ...credentials);
  return vault;
}

function put(vault: OpenVault, ...credentials: Credential[]): Promise<void> {
  return vault.update((tx) => {
    for (const credential of credentials) tx.putCredential(credential);
  });
}

function refusal(code: string): unknown {
  return expect.objectContaining({ name: 'VaultError', code, hint: expect.stringMatching(/.{10}/) });
}

function mode(path: string): number {
  return statSync(path).mode & 0o777;
}

it('ends a list that is being read when it is closed', async () => {
  const vault = await makeVault(sampleCredential(1), sampleCredential(2));
  const [list, other] = [vault.credentials()[Symbol.iterator](), vault.credentials()[Symbol.iterator]()];
  list.next();
  await vault.close();
  for (const each of [list, other]) expect(() => each.next()).toThrow('the vault is closed');
  // LMDB took no harm.
  const reopened = await openVault(directory, unlock);
  expect([...reopened.credentials()]).toHaveLength(2);
  await reopened.close();
});

describe('making and opening', () => {
  it('opens what it made, at the full cost of a passphrase', async () => {
    const vault = await createVault(directory, unlock);
    await put(vault, sampleCredential(1));
    await vault.close();
    const opened = await openVault(directory, unlock);
    expect(opened.credential(sampleCredential(1).id)).toEqual(sampleCredential(1));
    await opened.close();
  });

  it('knows whether there is a vault', async () => {
    expect(vaultExists(directory)).toBe(false);
    await (await makeVault()).close();
    expect(vaultExists(directory)).toBe(true);
  });

  it('refuses a folder that holds a vault, and leaves that vault as it is', async () => {
    await (await makeVault(sampleCredential(1))).close();
    await expect(createVault(directory, { passphrase: 'other' }, cheap)).rejects.toEqual(refusal('exists'));
    const vault = await openVault(directory, unlock);
    expect(vault.credentialCount()).toBe(1);
    await vault.close();
  });

  it('refuses a folder that is open to others and holds other things, and leaves its mode as it is', async () => {
    mkdirSync(directory, { mode: 0o755 });
    mkdirSync(join(directory, '.new-cut-short'));
    writeFileSync(join(directory, 'letter.txt'), 'precious');
    await expect(makeVault()).rejects.toEqual(refusal('foreign'));
    expect(mode(directory)).toBe(0o755);
    rmSync(join(directory, 'letter.txt'));
    await (await makeVault()).close();
    expect(mode(directory)).toBe(0o700);
  });

  it('says that there is no vault', async () => {
    await expect(openVault(directory, unlock)).rejects.toEqual(refusal('not-found'));
    mkdirSync(directory);
    await expect(openVault(directory, unlock)).rejects.toEqual(refusal('not-found'));
    expect(existsSync(join(directory, 'data.mdb'))).toBe(false);
  });

  it('refuses a wrong passphrase, and takes the right one after it', async () => {
    await (await makeVault()).close();
    await expect(openVault(directory, { passphrase: 'Correct horse' })).rejects.toEqual(refusal('wrong-passphrase'));
    await (await openVault(directory, unlock)).close();
  });

  it('takes a passphrase however the keyboard composes its letters', async () => {
    await (await createVault(directory, { passphrase: 'caf\u00e9' }, cheap)).close();
    await (await openVault(directory, { passphrase: 'cafe\u0301' })).close();
  });

  it('tells of what it opens with, without opening again', async () => {
    const vault = await makeVault();
    const [recoveryPhrase, keyFile] = [await newRecoveryPhrase(), new Uint8Array(32).fill(5)];
    await vault.addSlot({ recoveryPhrase });
    await vault.addSlot({ keyFile });
    for (const way of [unlock, { recoveryPhrase }, { keyFile }]) expect(await vault.opensWith(way)).toBe(true);
    const others = [{ passphrase: '' }, { recoveryPhrase: await newRecoveryPhrase() }, { recoveryPhrase: 'no words' }];
    for (const way of [...others, { keyFile: new Uint8Array(32) }]) expect(await vault.opensWith(way)).toBe(false);
    await vault.close();
  });

  it('ends the checks of passphrases that wait when it is closed', async () => {
    const vault = await makeVault();
    const first = vault.opensWith(unlock);
    const second = vault.opensWith(unlock);
    const closed = Promise.all([expect(second).rejects.toEqual(refusal('io')), first]);
    await Promise.resolve();
    await vault.close();
    expect((await closed)[1]).toBe(true);
  });

  it('keeps folder and files for their owner, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      await (await makeVault()).close();
      await (await openVault(directory, unlock)).close();
    } finally {
      process.umask(before);
    }
    expect([mode(directory), mode(join(directory, 'data.mdb')), mode(join(directory, 'lock.mdb'))]).toEqual([
      0o700, 0o600, 0o600,
    ]);
  });

  it('tightens a folder that is open to others', async () => {
    await (await makeVault()).close();
    chmodSync(directory, 0o755);
    chmodSync(join(directory, 'data.mdb'), 0o644);
    await (await openVault(directory, unlock)).close();
    expect([mode(directory), mode(join(directory, 'data.mdb'))]).toEqual([0o700, 0o600]);
  });

  it('refuses a file of another kind, whatever its length', async () => {
    mkdirSync(directory);
    for (const content of ['', 'x', 'hello\n'.repeat(5000)]) {
      writeFileSync(join(directory, 'data.mdb'), content);
      await expect(openVault(directory, unlock)).rejects.toEqual(refusal('foreign'));
      expect(readFileSync(join(directory, 'data.mdb'), 'utf8')).toBe(content);
    }
  });

  it('says that it was closed', async () => {
    const vault = await makeVault();
    await vault.close();
    await vault.close();
    expect(() => vault.device).toThrow('closed');
    expect(() => vault.nextSignCount()).toThrow('closed');
    await expect(put(vault, sampleCredential(1))).rejects.toThrow('closed');
  });
});

describe('credentials', () => {
  it('lists all of them and counts them', async () => {
    const all = [1, 2, 3].map((number) => sampleCredential(number, { rpIdHash: new Uint8Array(32).fill(number) }));
    const vault = await makeVault(...all);
    const listed = [...vault.credentials()].filter((entry): entry is Credential => !(entry instanceof VaultError));
    expect(listed.toSorted((a, b) => a.createdAt - b.createdAt)).toEqual(all);
    expect(vault.credentialCount()).toBe(3);
    await vault.update((tx) => tx.deleteCredential(all[1]?.id ?? new Uint8Array()));
    expect(vault.credentialCount()).toBe(2);
    await vault.close();
  });

  it('moves a credential whose relying party changed', async () => {
    const vault = await makeVault(sampleCredential(1));
    const moved = sampleCredential(1, { rpIdHash: new Uint8Array(32).fill(0xcc) });
    await put(vault, moved);
    expect(vault.credentialsOf(sampleCredential(1).rpIdHash)).toEqual([]);
    expect(vault.credentialsOf(moved.rpIdHash)).toEqual([moved]);
    expect(vault.credentialCount()).toBe(1);
    await vault.close();
  });

  it('shows nothing of a credential in the file', async () => {
    const credential = sampleCredential(1, { rpId: 'secret-site.example' });
    await (await makeVault(credential)).close();
    const file = readFileSync(join(directory, 'data.mdb'));
    const telling = [
      Buffer.from('secret-site'),
      Buffer.from('user1'),
      credential.id,
      credential.rpIdHash,
      credential.privateKey,
    ];
    expect(telling.filter((part) => file.includes(Buffer.from(part)))).toEqual([]);
  });
});

describe('signature counts', () => {
  it('go on behind those of a vault that was not closed', async () => {
    const first = await makeVault();
    for (let i = 0; i < 10; i++) first.nextSignCount();
    const second = await openVault(directory, unlock);
    expect(second.nextSignCount()).toBe(1001);
    expect(first.nextSignCount()).toBe(11);
    await second.close();
    await first.close();
  });

  it('go on one by one over a clean close', async () => {
    const first = await makeVault();
    for (let i = 1; i <= 10; i++) expect(first.nextSignCount()).toBe(i);
    expect(first.signCount).toBe(10);
    await first.close();
    const second = await openVault(directory, unlock);
    expect(second.signCount).toBe(10);
    expect(second.nextSignCount()).toBe(11);
    await second.close();
  });

  it('are never given back below those that another process reserved', async () => {
    const first = await makeVault();
    first.nextSignCount();
    const second = await openVault(directory, unlock);
    second.nextSignCount();
    await first.close();
    await second.close();
    const third = await openVault(directory, unlock);
    expect(third.nextSignCount()).toBe(1002);
    await third.close();
  });

  it('run over many blocks without a gap', async () => {
    const vault = await makeVault();
    for (let i = 1; i <= 2500; i++) {
      expect(vault.nextSignCount()).toBe(i);
      if (i % 100 === 0) await new Promise(setImmediate);
    }
    await vault.close();
  });
});

describe('two that have one vault open', () => {
  it('see what the other changed', async () => {
    const daemon = await makeVault(sampleCredential(1));
    const tool = await openVault(directory, unlock);
    await tool.update((tx) => {
      tx.deleteCredential(sampleCredential(1).id);
      tx.putCredential(sampleCredential(2));
      tx.setDevice({ credentialIdKey: new Uint8Array(32).fill(7) });
    });
    await new Promise(setImmediate);
    expect(daemon.credential(sampleCredential(1).id)).toBeUndefined();
    expect(daemon.credential(sampleCredential(2).id)).toEqual(sampleCredential(2));
    expect(daemon.device.credentialIdKey).toEqual(new Uint8Array(32).fill(7));
    await tool.close();
    expect(daemon.credentialCount()).toBe(1);
    await daemon.close();
  });
});
