// Ways to open a vault: each alone, any number of each, never none.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  createVault,
  newRecoveryPhrase,
  newSlotId,
  type OpenVault,
  openVault,
  readSlots,
  type Unlock,
} from '../../store/vault.ts';

const passphrase = { passphrase: 'correct horse' };
const cheap = { scryptLogN: 4 };
const filled = (byte: number) => new Uint8Array(32).fill(byte);
const refusal = (code: string, message = /./) =>
  expect.objectContaining({ name: 'VaultError', code, message: expect.stringMatching(message) });

let directory: string;
let vault: OpenVault;
beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'passfob-slots-')), 'vault');
  vault = await createVault(directory, passphrase, { ...cheap, label: 'of the first day' });
});
afterEach(async () => {
  await vault.close();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

async function opens(unlock: Unlock): Promise<boolean> {
  const opened = await openVault(directory, unlock).catch((error: { code: string }) => error.code);
  if (typeof opened === 'string') return false;
  expect(opened.device.credentialIdKey).toEqual(vault.device.credentialIdKey);
  await opened.close();
  return true;
}

describe('slots', () => {
  it('open the vault each alone, any number of each kind', async () => {
    const phrases = [await newRecoveryPhrase(), await newRecoveryPhrase()];
    const ids = [newSlotId(), newSlotId()] as const;
    await vault.addSlot({ passphrase: 'another' }, cheap);
    await vault.addSlot({ keyFile: filled(1) });
    await vault.addSlot({ keyFile: filled(2) });
    for (const recoveryPhrase of phrases) await vault.addSlot({ recoveryPhrase });
    await vault.addSlot({ keyring: { id: ids[0], secret: filled(3) } });
    await vault.addSlot({ systemdCreds: { id: ids[1], secret: filled(4), sealed: Uint8Array.of(7) } });
    const ways: Unlock[] = [
      passphrase,
      { passphrase: 'another' },
      { keyFile: filled(1) },
      { keyFile: filled(2) },
      ...phrases.map((recoveryPhrase) => ({ recoveryPhrase })),
      { secret: filled(3), of: ids[0] },
      { secret: filled(4), of: ids[1] },
    ];
    for (const way of ways) expect(await opens(way)).toBe(true);
    expect(await opens({ keyFile: filled(3) })).toBe(false);
    expect(await opens({ secret: filled(3), of: ids[1] })).toBe(false);
  });

  it('are told of a locked vault, without what opens them', async () => {
    const id = newSlotId();
    const sealed = Uint8Array.of(1, 2, 3);
    await vault.addSlot({ systemdCreds: { id, secret: filled(4), sealed } }, { label: 'this machine' });
    const slots = await readSlots(directory);
    expect(slots).toEqual([
      expect.objectContaining({ kind: 'passphrase', label: 'of the first day', sealedSecret: undefined }),
      { id, kind: 'systemd-creds', label: 'this machine', createdAt: expect.any(Number), sealedSecret: sealed },
    ]);
    expect(slots).toEqual(vault.slots());
    expect(slots[0]?.id).toBe(vault.openedWith);
  });

  it('are refused with the reason that fits the way', async () => {
    const recoveryPhrase = await newRecoveryPhrase();
    await expect(openVault(directory, { recoveryPhrase })).rejects.toEqual(refusal('wrong-phrase'));
    await expect(openVault(directory, { keyFile: filled(1) })).rejects.toEqual(refusal('wrong-key', /key file/));
    const { id } = await vault.addSlot({ keyring: { id: newSlotId(), secret: filled(3) } });
    await expect(openVault(directory, { secret: filled(1), of: id })).rejects.toEqual(refusal('wrong-key'));
  });

  it('that are removed do not open the vault any more', async () => {
    await vault.addSlot({ keyFile: filled(1) });
    vault.removeSlot(vault.openedWith);
    expect([await opens(passphrase), await opens({ keyFile: filled(1) })]).toEqual([false, true]);
  });

  it('cannot be removed if there is none with that id, or no other that could open the vault', async () => {
    expect(() => vault.removeSlot('00000000')).toThrow(refusal('no-slot'));
    expect(() => vault.removeSlot(vault.openedWith)).toThrow(refusal('last-slot'));
    expect(await opens(passphrase)).toBe(true);
  });

  it('added by two processes at once are both there', async () => {
    const other = await openVault(directory, passphrase);
    await Promise.all([vault.addSlot({ keyFile: filled(1) }), other.addSlot({ keyFile: filled(2) })]);
    expect(vault.slots().map(({ kind }) => kind)).toEqual(['passphrase', 'key-file', 'key-file']);
    await other.close();
  });

  it('take no change from who was opened with a slot that is gone', async () => {
    const other = await openVault(directory, passphrase);
    await vault.addSlot({ keyFile: filled(1) });
    other.removeSlot(other.openedWith);
    await expect(vault.addSlot({ keyFile: filled(2) })).rejects.toEqual(refusal('rekeyed'));
    expect(vault.device).toEqual(other.device);
    await other.close();
  });

  it('of a passphrase rise to the cost of today at the next unlock', async () => {
    const cost = async (scryptLogN?: number) => {
      const opened = await openVault(directory, passphrase, scryptLogN === undefined ? {} : { scryptLogN });
      // An open vault that goes on after a rekeying shows that it kept the key of the new cost.
      await opened.rekey();
      await opened.close();
      const { readHeader } = await import('../../store/header-store.ts');
      const { openDatabase } = await import('../../store/database.ts');
      const { database } = openDatabase(directory);
      const [slot] = readHeader(database).slots;
      await database.close();
      return slot?.get(4);
    };
    const before = vault.slots();
    expect([await cost(3), await cost(5), await cost()]).toEqual([4, 5, 5]);
    expect(vault.slots()).toEqual(before);
  });
});

describe('a recovery phrase', () => {
  const words = `${'abandon '.repeat(23)}art`;

  it('has 24 words and is another each time', async () => {
    const phrases = [await newRecoveryPhrase(), await newRecoveryPhrase()];
    expect(phrases.map((phrase) => phrase.split(' ').length)).toEqual([24, 24]);
    expect(phrases[0]).not.toBe(phrases[1]);
  });

  it('opens however it is spaced and capitalised', async () => {
    await vault.addSlot({ recoveryPhrase: words });
    expect(await opens({ recoveryPhrase: ` ${words.toUpperCase().replaceAll(' ', '\n')}\n` })).toBe(true);
  });

  it('with a slip is refused with the place of the slip, not with the word', async () => {
    await vault.addSlot({ recoveryPhrase: words });
    const list = words.split(' ');
    const slips: [string[], RegExp][] = [
      [list.with(6, 'secretword'), /^word 7 of/],
      [list.slice(1), /24 words, got 23$/],
      [list.with(0, 'art').with(23, 'abandon'), /do not fit together/],
    ];
    for (const [slip, message] of slips) {
      const refused = openVault(directory, { recoveryPhrase: slip.join(' ') });
      await expect(refused).rejects.toEqual(refusal('wrong-phrase', message));
      await expect(refused).rejects.not.toThrow(/secretword|abandon/);
    }
  });
});
