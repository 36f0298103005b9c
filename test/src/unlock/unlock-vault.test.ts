// What opens a vault by itself, in which order, and what is said of what does not. Keyring and systemd are fakes here.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UserError } from '../../../src/errors.ts';
import type { Keyring } from '../../../src/unlock/keyring.ts';
import { addKeyFileSlot, addKeyringSlot, addMachineSlot } from '../../../src/unlock/new-slot.ts';
import { openOnMachine, type RunProgram, sealToMachine } from '../../../src/unlock/systemd-creds.ts';
import { opensByItself, questionFor, type UnlockSurroundings, unlockOf } from '../../../src/unlock/unlock-vault.ts';
import { createVault, newRecoveryPhrase, type OpenVault, VaultError } from '../../../store/vault.ts';

let root: string;
let directory: string;
let vault: OpenVault;
let kept: Map<string, Uint8Array>;
let notices: string[];
let handedOver: Uint8Array[];
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'passfob-unlock-'));
  directory = join(root, 'vault');
  vault = await createVault(directory, { passphrase: 'correct horse' }, { scryptLogN: 2 });
  kept = new Map();
  notices = [];
  handedOver = [];
});
afterEach(async () => {
  await vault.close();
  rmSync(root, { recursive: true, force: true });
});

/** A copy, which is remembered. */
function handOver(secret: Uint8Array | undefined): Uint8Array | undefined {
  const copy = secret && Uint8Array.from(secret);
  if (copy) handedOver.push(copy);
  return copy;
}

const keyring: Keyring = {
  get: async (id) => handOver(kept.get(id)),
  set: async (id, secret) => void kept.set(id, Uint8Array.from(secret)),
  delete: async (id) => void kept.delete(id),
};

/** Seals by turning bytes around, with the arguments in front, so that another name does not open it. */
const machine: RunProgram = async (_, args, input) => {
  const name = Buffer.from(args.find((arg) => arg.startsWith('--name=')) ?? '');
  if (args.includes('encrypt')) return Buffer.concat([name, input.toReversed()]);
  const sealed = Buffer.from(input);
  if (!sealed.subarray(0, name.length).equals(name)) throw new VaultError('no-access', 'another machine, or name');
  return Uint8Array.from(sealed.subarray(name.length)).toReversed();
};

const broken = async () => {
  throw new VaultError('no-access', 'nobody answers');
};

/** The id of the slot that the vault opened with; undefined if it did not. */
async function opensWith(
  config: { passphraseFile?: string; keyFile?: string } = {},
  surroundings: UnlockSurroundings = {},
): Promise<string | undefined> {
  const { passphraseFile, keyFile } = config;
  const defaults = { env: {}, keyring, run: machine, notice: (line: string) => notices.push(line) };
  const opened = await opensByItself(directory, { passphraseFile, keyFile }, { ...defaults, ...surroundings });
  await opened?.close();
  return opened?.openedWith;
}

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(root, name), content, { mode: 0o600 });
  return join(root, name);
}

describe('a vault', () => {
  it('does not open by itself if only a person knows what opens it', async () => {
    expect(await opensWith()).toBeUndefined();
    expect(notices).toEqual([]);
  });

  it('opens with the key file that was made for it', async () => {
    const path = join(root, 'key');
    const { id } = await addKeyFileSlot(vault, path, 'stick');
    expect([statSync(path).mode & 0o777, statSync(path).size]).toEqual([0o600, 32]);
    expect(await opensWith({ keyFile: path })).toBe(id);
    expect(await opensWith()).toBeUndefined();
  });

  it('opens with a key file that was there before', async () => {
    const path = file('photo', new Uint8Array(5000).fill(3));
    const { id } = await addKeyFileSlot(vault, path);
    expect(await opensWith({ keyFile: path })).toBe(id);
    expect(readFileSync(path)).toHaveLength(5000);
  });

  it('takes no key file that is too short to be random, and none that opens nothing', async () => {
    await expect(addKeyFileSlot(vault, file('short', 'hunter2'))).rejects.toThrow(/expected 32 bytes.*has 7/);
    await expect(opensWith({ keyFile: file('other', new Uint8Array(32)) })).rejects.toThrow('does not open');
  });

  it('goes on without a key file that is not plugged in, and says so', async () => {
    const passphraseFile = file('pass', 'correct horse\n');
    expect(await opensWith({ keyFile: join(root, 'stick', 'key'), passphraseFile })).toBe(vault.openedWith);
    expect(notices).toEqual([expect.stringContaining('is not there')]);
  });

  it('opens with the passphrase or the recovery phrase in the passphrase file, and with no other', async () => {
    const recoveryPhrase = await newRecoveryPhrase();
    const { id } = await vault.addSlot({ recoveryPhrase });
    expect(await opensWith({ passphraseFile: file('pass', 'correct horse\n') })).toBe(vault.openedWith);
    expect(await opensWith({ passphraseFile: file('words', `${recoveryPhrase}\n`) })).toBe(id);
    await expect(opensWith({ passphraseFile: file('pass', 'wrong\n') })).rejects.toThrow('does not open');
  });

  it('opens with what the keyring keeps', async () => {
    const { id } = await addKeyringSlot(vault, 'desktop', keyring);
    expect([...kept.keys()]).toEqual([id]);
    expect(await opensWith()).toBe(id);
    kept.clear();
    expect(await opensWith()).toBeUndefined();
  });

  it('leaves no secret in memory that opened it, or did not', async () => {
    const { id } = await addKeyringSlot(vault, undefined, keyring);
    expect(await opensWith()).toBe(id);
    kept.set(id, new Uint8Array(32).fill(7));
    expect(await opensWith()).toBeUndefined();
    await addMachineSlot(vault, 'host', undefined, machine);
    const run: RunProgram = async (...call) => handOver(await machine(...call)) ?? expect.fail('nothing');
    expect(await opensWith({}, { run })).toBeDefined();
    expect(handedOver).toEqual(Array.from({ length: 4 }, () => new Uint8Array(32)));
  });

  it('opens on the machine that systemd-creds sealed it to', async () => {
    const { id } = await addMachineSlot(vault, 'tpm2', undefined, machine);
    expect(await opensWith()).toBe(id);
    expect(await opensWith({}, { run: broken })).toBeUndefined();
    expect(notices).toEqual([`slot ${id} (systemd-creds) does not open the vault: nobody answers`]);
  });

  it('opens with what a service is given for any of its slots', async () => {
    const { id: machineSlot, sealedSecret } = await addMachineSlot(vault, 'auto', undefined, machine);
    const { id: fileSlot } = await addKeyFileSlot(vault, join(root, 'key'));
    const given = (name: string, content: Uint8Array | string) => {
      mkdirSync(join(root, name));
      file(`${name}/passfob-${name}`, content);
      return { env: { CREDENTIALS_DIRECTORY: join(root, name) }, run: broken };
    };
    const secret = await openOnMachine(machineSlot, sealedSecret ?? new Uint8Array(), machine);
    expect(await opensWith({}, given(machineSlot, secret))).toBe(machineSlot);
    expect(await opensWith({}, given(fileSlot, readFileSync(join(root, 'key'))))).toBe(fileSlot);
    expect(await opensWith({}, given(vault.openedWith, 'correct horse\n'))).toBe(vault.openedWith);
  });

  it('does not wait for ever for a keyring whose question is left open', async () => {
    const { id: deaf } = await addKeyringSlot(vault, undefined, keyring);
    const { id } = await addMachineSlot(vault, 'host', undefined, machine);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asked = vi.fn(() => new Promise<undefined>(() => undefined));
    const opening = opensWith({}, { keyring: { ...keyring, get: asked } });
    await vi.waitFor(() => expect(asked).toHaveBeenCalledWith(deaf));
    await vi.advanceTimersByTimeAsync(60_000);
    vi.useRealTimers();
    expect(await opening).toBe(id);
    expect(notices).toEqual([expect.stringContaining("the desktop's keyring has not answered for 60 seconds")]);
  });

  it('opens with the next way if one does not answer, and says why', async () => {
    const { id: deaf } = await addKeyringSlot(vault, undefined, keyring);
    const { id } = await addMachineSlot(vault, 'host', undefined, machine);
    expect(await opensWith({}, { keyring: { ...keyring, get: broken } })).toBe(id);
    kept.set(deaf, new Uint8Array(32));
    expect(await opensWith()).toBe(id);
    expect(notices).toHaveLength(2);
  });

  it('opens with the next way if a service is given words that open nothing, or are none', async () => {
    const { id: phrase } = await vault.addSlot({ recoveryPhrase: await newRecoveryPhrase() });
    const { id } = await addMachineSlot(vault, 'host', undefined, machine);
    for (const words of [await newRecoveryPhrase(), 'no words of the list']) {
      file(`passfob-${phrase}`, words);
      expect(await opensWith({}, { env: { CREDENTIALS_DIRECTORY: root } })).toBe(id);
    }
    expect(notices).toHaveLength(2);
  });
});

describe('a slot that the vault does not take', () => {
  it('leaves nothing in the keyring and no key file', async () => {
    await vault.close();
    await expect(addKeyringSlot(vault, undefined, keyring)).rejects.toThrow('closed');
    await expect(addKeyFileSlot(vault, join(root, 'key'))).rejects.toThrow('closed');
    expect([kept.size, existsSync(join(root, 'key'))]).toEqual([0, false]);
  });
});

describe('what a person is asked', () => {
  const slot = (kind: string) => ({ id: '', kind, label: undefined, createdAt: 0, sealedSecret: undefined });
  const words = 'abandon '.repeat(24);

  it('is what the vault opens with', () => {
    expect(questionFor([slot('keyring'), slot('passphrase')])).toBe('Passphrase');
    expect(questionFor([slot('recovery-phrase'), slot('passphrase')])).toBe('Passphrase or recovery phrase');
    expect(questionFor([slot('recovery-phrase')])).toBe('Recovery phrase');
    expect(() => questionFor([slot('keyring'), slot('key-file')])).toThrow(UserError);
  });

  it('may be answered with either', () => {
    const both = [slot('passphrase'), slot('recovery-phrase')];
    expect(unlockOf('correct horse', both)).toEqual({ passphrase: 'correct horse' });
    expect(unlockOf(words, both)).toEqual({ recoveryPhrase: words });
    expect(unlockOf(words, [slot('passphrase')])).toEqual({ passphrase: words });
    expect(unlockOf('abandon art', [slot('recovery-phrase')])).toEqual({ recoveryPhrase: 'abandon art' });
  });
});

describe('systemd-creds', () => {
  it('is given the name of the slot and the key, and the secret on its standard input only', async () => {
    const calls: (readonly string[])[] = [];
    const run: RunProgram = async (program, args, input) => {
      calls.push([program, ...args]);
      return input;
    };
    await sealToMachine('0a0b0c0d', new Uint8Array(32).fill(0x41), 'tpm2', run);
    await openOnMachine('0a0b0c0d', new Uint8Array(40), run);
    const scope = process.geteuid?.() === 0 ? [] : ['--user'];
    expect(calls).toEqual([
      ['systemd-creds', ...scope, '--name=passfob-0a0b0c0d', '--with-key=tpm2', 'encrypt', '-', '-'],
      ['systemd-creds', ...scope, '--name=passfob-0a0b0c0d', 'decrypt', '-', '-'],
    ]);
  });

  it('that is not there, or refuses, is an error with a hint', async () => {
    const before = process.env['PATH'];
    process.env['PATH'] = root;
    const refused = (message: RegExp) =>
      expect.objectContaining({ code: 'no-access', message: expect.stringMatching(message), hint: expect.any(String) });
    try {
      await expect(sealToMachine('0a0b0c0d', new Uint8Array(32), 'host')).rejects.toEqual(refused(/ENOENT/));
      writeFileSync(join(root, 'systemd-creds'), '#!/bin/sh\necho no TPM here >&2\nexit 1\n', { mode: 0o700 });
      await expect(sealToMachine('0a0b0c0d', new Uint8Array(32), 'host')).rejects.toEqual(refused(/no TPM here$/));
    } finally {
      process.env['PATH'] = before;
    }
  });
});
