// The gates: what each answers, and that a question ends when its time or its request ends.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Answer, Prompt, UserGate } from '../../../ctap/env.ts';
import { approveAlways, declineAlways, ScriptedGate, verifyAlways } from '../../../src/consent/automatic.ts';
import { describePrompt, untilCancelled, withDeadline } from '../../../src/consent/deadline.ts';

const prompt: Prompt = { kind: 'sign-in', rpId: 'example.com', accounts: ['alice'] };
const approved = { kind: 'approved', verified: false };
const never = new AbortController().signal;
const silent: UserGate = { canVerify: false, ask: (_, signal) => untilCancelled(signal) };

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe('the gates that ask nobody', () => {
  test('always approves, without a claim that the user was verified', async () => {
    expect(await approveAlways.ask(prompt, never)).toEqual(approved);
  });

  test('always approves and verifies, where tests want it', async () => {
    expect(await verifyAlways.ask(prompt, never)).toEqual({ kind: 'approved', verified: true });
    expect([verifyAlways, approveAlways, declineAlways].map(({ canVerify }) => canVerify)).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('decline a long touch, which nobody is there to give', async () => {
    for (const gate of [approveAlways, verifyAlways, declineAlways]) {
      expect(await gate.ask({ kind: 'reset', long: true }, never)).toEqual({ kind: 'declined' });
    }
    expect(await approveAlways.ask({ kind: 'reset' }, never)).toEqual(approved);
  });

  test('never declines', async () => {
    expect(await declineAlways.ask(prompt, never)).toEqual({ kind: 'declined' });
  });
});

describe('the scripted gate', () => {
  test('withholds the touch at first, until the request is cancelled', async () => {
    const cancel = new AbortController();
    const answer = new ScriptedGate().ask(prompt, cancel.signal);
    cancel.abort();
    expect(await answer).toEqual({ kind: 'cancelled' });
  });

  test('gives a long touch where the test gives one', async () => {
    const gate = new ScriptedGate();
    gate.set('once');
    expect(await gate.ask({ kind: 'reset', long: true }, never)).toEqual(approved);
  });

  test('verifies with its touches, where tests want it', async () => {
    const gate = new ScriptedGate(true);
    const waiting = gate.ask(prompt, never);
    gate.set('always');
    for (const answer of [waiting, gate.ask(prompt, never)]) {
      expect(await answer).toEqual({ kind: 'approved', verified: true });
    }
    expect([gate.canVerify, new ScriptedGate().canVerify]).toEqual([true, false]);
    expect(withDeadline(gate, 1000).canVerify).toBe(true);
  });

  test('always touches from now on, also for a request that waits', async () => {
    const gate = new ScriptedGate();
    const waiting = gate.ask(prompt, never);
    gate.set('always');
    expect([await waiting, await gate.ask(prompt, never), await gate.ask(prompt, never)]).toEqual([
      approved,
      approved,
      approved,
    ]);
  });

  test.each(['a request that waits', 'the next request'])('once touches for %s and then withholds', async (which) => {
    const gate = new ScriptedGate();
    const waiting = which === 'the next request' ? undefined : gate.ask(prompt, never);
    gate.set('once');
    expect(await (waiting ?? gate.ask(prompt, never))).toEqual(approved);
    const cancel = new AbortController();
    const second = gate.ask(prompt, cancel.signal);
    cancel.abort();
    expect(await second).toEqual({ kind: 'cancelled' });
  });

  test('a cancelled request does not take the touch that the next one needs', async () => {
    const gate = new ScriptedGate();
    const cancel = new AbortController();
    const first = gate.ask(prompt, cancel.signal);
    cancel.abort();
    await first;
    gate.set('once');
    expect(await gate.ask(prompt, never)).toEqual(approved);
  });
});

describe('the deadline', () => {
  test('answers timed-out, and withdraws the question', async () => {
    let withdrawn = false;
    const gate = withDeadline(
      {
        canVerify: false,
        ask: (_, signal) => untilCancelled(signal).finally(() => (withdrawn = true)) as Promise<Answer>,
      },
      30_000,
    );
    const answer = gate.ask(prompt, never);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(await answer).toEqual({ kind: 'timed-out' });
    expect(withdrawn).toBe(true);
  });

  test('answers cancelled when the request is cancelled, before or while asking', async () => {
    const cancel = new AbortController();
    const gate = withDeadline(silent, 30_000);
    const answer = gate.ask(prompt, cancel.signal);
    cancel.abort();
    expect(await answer).toEqual({ kind: 'cancelled' });
    expect(await gate.ask(prompt, cancel.signal)).toEqual({ kind: 'cancelled' });
  });

  test('passes the answer on and leaves no timer behind', async () => {
    expect(await withDeadline(approveAlways, 30_000).ask(prompt, never)).toEqual(approved);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('passes on that asking itself is broken', async () => {
    const broken: UserGate = { canVerify: false, ask: () => Promise.reject(new Error('no terminal')) };
    await expect(withDeadline(broken, 30_000).ask(prompt, never)).rejects.toThrow('no terminal');
  });
});

test('every question has words', () => {
  const prompts: Prompt[] = [
    { kind: 'register', rpId: 'example.com', userName: 'alice' },
    { kind: 'sign-in', rpId: 'example.com', accounts: ['alice', 'bob'] },
    { kind: 'already-registered', rpId: 'example.com' },
    { kind: 'u2f-register', applicationHash: '00'.repeat(32) },
    { kind: 'u2f-sign-in', applicationHash: '00'.repeat(32) },
    { kind: 'reset' },
    { kind: 'select' },
  ];
  expect(prompts.map(describePrompt)).toEqual([
    'register with example.com as alice',
    'sign in to example.com as alice or bob',
    'tell example.com that this key is registered already',
    'register with a website (U2F, application 0000000000000000…)',
    'sign in to a website (U2F, application 0000000000000000…)',
    'ERASE this key: every credential on it will be gone for good',
    'use this key (a program asks which of several keys to take)',
  ]);
});
