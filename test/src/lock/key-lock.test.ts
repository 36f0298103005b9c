// When a vault locks without being asked to, and how long a request waits for it: by a clock that the test moves.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withDeadline } from '../../../src/consent/deadline.ts';
import { KeyLock, type LockSettings, unlockTimeoutMs } from '../../../src/lock/key-lock.ts';
import { LockableVault } from '../../../src/lock/lockable-vault.ts';
import { createLog } from '../../../src/log.ts';
import { createVault, type OpenVault, openVault, VaultError } from '../../../store/vault.ts';
import { FakeGate } from '../../support/fake-environment.ts';

const passphrase = 'test';
const minute = 60_000;
const never = new AbortController().signal;

let directory: string;
let vault: LockableVault;
let lock: KeyLock;
const log: string[] = [];
beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'passfob-key-lock-')), 'vault');
  const opened = await createVault(directory, { passphrase }, { scryptLogN: 4 });
  log.length = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  vault = new LockableVault(directory, opened);
});
afterEach(async () => {
  lock.stop();
  vi.useRealTimers();
  await vault.close();
  rmSync(join(directory, '..'), { recursive: true });
});

function start(settings: Partial<LockSettings>, gate = new FakeGate()) {
  lock = new KeyLock(
    vault,
    { lock: (closeVault) => closeVault() },
    { open: (unlock) => openVault(directory, unlock), ...settings },
    createLog('info', (line) => log.push(line)),
  );
  return { gate, guarded: lock.guard(withDeadline(gate, 30_000)) };
}

test('a gate behind a lock verifies as it did before', () => {
  const gate = Object.assign(new FakeGate(), { canVerify: true, uvModality: 0x04 });
  const { guarded } = start({}, gate);
  expect(guarded).toMatchObject({ canVerify: true, uvModality: 0x04 });
});

describe('without use', () => {
  test('the vault locks after the time that was set, and not before', async () => {
    start({ idleMs: 5 * minute });
    await vi.advanceTimersByTimeAsync(5 * minute - 1);
    expect(vault.isLocked).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(vault.isLocked).toBe(true);
  });

  test('whatever uses a credential or changes something starts the time anew', async () => {
    start({ idleMs: 5 * minute });
    for (const use of [
      async () => void vault.credentialsOf(new Uint8Array(32)),
      () => vault.update((tx) => tx.setDevice({ pinRetries: 7 })),
      async () => void vault.nextSignCount(),
    ]) {
      await vi.advanceTimersByTimeAsync(4 * minute);
      await use();
    }
    await vi.advanceTimersByTimeAsync(5 * minute - 1);
    expect(vault.isLocked).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(vault.isLocked).toBe(true);
  });

  test('what every program may ask of a key is no use', async () => {
    start({ idleMs: 5 * minute });
    await vi.advanceTimersByTimeAsync(4 * minute);
    expect([vault.device.pin, vault.credentialCount()]).toEqual([null, 0]);
    await vi.advanceTimersByTimeAsync(minute);
    expect(vault.isLocked).toBe(true);
  });

  test('the time begins anew when the vault is unlocked', async () => {
    start({ idleMs: 5 * minute });
    await vi.advanceTimersByTimeAsync(5 * minute);
    await lock.unlock({ passphrase });
    await vi.advanceTimersByTimeAsync(5 * minute - 1);
    expect(vault.isLocked).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(vault.isLocked).toBe(true);
  });

  test('nothing is waited for once the key is stopped', () => {
    const before = vi.getTimerCount();
    start({ idleMs: 5 * minute });
    expect(vi.getTimerCount()).toBe(before + 1);
    lock.stop();
    expect(vi.getTimerCount()).toBe(before);
  });

  test('a time that no timer can be set to is waited for all the same', async () => {
    vault.unlock(await openVault(directory, { passphrase }));
    const month = 31 * 24 * 60 * minute;
    start({ idleMs: month });
    await vi.advanceTimersByTimeAsync(month - 1);
    expect(vault.isLocked).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(vault.isLocked).toBe(true);
  });
});

describe('a person who leaves', () => {
  test('has their vault locked, and the log says why', async () => {
    let leave: (why: string) => void = () => undefined;
    const stopWatching = vi.fn();
    start({
      watchScreen(left) {
        leave = left;
        return stopWatching;
      },
    });
    leave('the screen was locked');
    await vi.waitFor(() => expect(log).toContain('info: locked: the screen was locked'));
    expect(vault.isLocked).toBe(true);
    lock.stop();
    expect(stopWatching).toHaveBeenCalledOnce();
  });

  test('and whose vault opens by itself need not unlock it', async () => {
    let leave: (why: string) => void = () => undefined;
    const { guarded } = start({
      openByItself: () => openVault(directory, { passphrase }),
      watchScreen(left) {
        leave = left;
        return () => undefined;
      },
    });
    leave('the machine went to sleep');
    await vi.waitFor(() => expect(vault.isLocked).toBe(true));
    expect(await guarded.ask({ kind: 'unlock' }, never)).toMatchObject({ kind: 'approved' });
    expect(vault.isLocked).toBe(false);
  });
});

describe('a request', () => {
  test('waits two minutes for the vault, longer than for a touch', async () => {
    const { guarded } = start({});
    await lock.lock();
    const answer = guarded.ask({ kind: 'unlock' }, never);
    let settled = false;
    void answer.then(() => {
      settled = true;
    });
    await vi.advanceTimersByTimeAsync(unlockTimeoutMs - 1);
    expect(settled).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await answer).toEqual({ kind: 'timed-out' });
  });

  test('has no question shown while the vault is being locked', async () => {
    const { gate, guarded } = start({});
    const locking = lock.lock();
    await Promise.resolve();
    expect(await guarded.ask({ kind: 'select' }, never)).toEqual({ kind: 'timed-out' });
    expect(gate.prompts).toEqual([]);
    await locking;
    expect(await guarded.ask({ kind: 'select' }, never)).toMatchObject({ kind: 'approved' });
  });

  test.each([
    ['there is no room to reserve signature counts', 'reserveSignCounts'],
    ['its settings are damaged', 'device'],
  ])('goes on once the vault is unlocked, also where %s', async (_, member) => {
    const refuse = () => {
      throw new VaultError('full', 'the disk is full');
    };
    const { guarded } = start({
      async open(unlock) {
        const opened = await openVault(directory, unlock);
        return Object.defineProperty(opened, member, member === 'device' ? { get: refuse } : { value: refuse });
      },
      idleMs: 5 * minute,
    });
    await lock.lock();
    const answer = guarded.ask({ kind: 'unlock' }, never);
    await lock.unlock({ passphrase });
    expect(await answer).toMatchObject({ kind: 'approved' });
    await vi.advanceTimersByTimeAsync(5 * minute);
    expect(vault.isLocked).toBe(true);
  });

  test('goes on waiting where its terminal is gone', async () => {
    const { guarded } = start({ askPerson: () => Promise.reject(new Error('the terminal is gone')) });
    await lock.lock();
    const answer = guarded.ask({ kind: 'unlock' }, never);
    await vi.waitFor(() => expect(log).toContain('error: the vault cannot be opened: the terminal is gone'));
    await lock.unlock({ passphrase });
    expect(await answer).toMatchObject({ kind: 'approved' });
  });
});

describe('a way in that does not answer', () => {
  /** A keyring whose question nobody has answered yet. */
  function openKeyring() {
    let answer: (opened: OpenVault) => void = () => undefined;
    const opened = new Promise<OpenVault>((resolve) => {
      answer = resolve;
    });
    const openByItself = vi.fn(() => opened);
    return { openByItself, answer };
  }

  test('is overtaken by what a person gives, for the request that waits, too', async () => {
    const { openByItself } = openKeyring();
    await vault.lock();
    const { guarded } = start({ openByItself });
    const answer = guarded.ask({ kind: 'unlock' }, never);
    await lock.unlock({ passphrase });
    expect(openByItself).toHaveBeenCalledOnce();
    expect(await answer).toMatchObject({ kind: 'approved' });
  });

  test('keeps nobody from locking, and opens nothing that was locked meanwhile', async () => {
    const { openByItself, answer } = openKeyring();
    await vault.lock();
    const { guarded } = start({ openByItself });
    const request = guarded.ask({ kind: 'unlock' }, never);
    await lock.lock();
    const late = await openVault(directory, { passphrase });
    answer(late);
    await vi.waitFor(() => expect(() => late.device).toThrow('closed'));
    expect(vault.isLocked).toBe(true);
    await lock.unlock({ passphrase });
    expect(await request).toMatchObject({ kind: 'approved' });
  });

  test('and answers late opens no second vault', async () => {
    const { openByItself, answer } = openKeyring();
    await vault.lock();
    start({ openByItself });
    const unlocking = lock.unlockByItself();
    await lock.unlock({ passphrase });
    const late = await openVault(directory, { passphrase });
    answer(late);
    expect(await unlocking).toBe(true);
    expect(() => late.device).toThrow('closed');
    expect(vault.credentialCount()).toBe(0);
  });
});
