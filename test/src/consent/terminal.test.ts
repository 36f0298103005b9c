// Asking on a terminal: one question at a time, one key an answer, nothing from a website draws on the screen.

import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Prompt } from '../../../ctap/env.ts';
import { openTerminal, type Terminal } from '../../../src/consent/terminal.ts';

const never = new AbortController().signal;
const signIn: Prompt = { kind: 'sign-in', rpId: 'example.com', accounts: [] };

function fakeTerminal(isTTY = true) {
  const keys = new EventEmitter();
  const state = { screen: '', raw: false, interrupted: 0 };
  const input = Object.assign(keys, {
    isTTY,
    setRawMode: (raw: boolean) => {
      state.raw = raw;
    },
    resume: () => undefined,
    pause: () => undefined,
  });
  const output = {
    write: (text: string) => {
      state.screen += text;
      return true;
    },
  };
  const interrupt = () => {
    state.interrupted++;
  };
  const terminal = { input, output, interrupt } as unknown as Terminal;
  const questions = () => state.screen.split('Allow?').length - 1;
  /** Presses a key once there is a question that has no answer yet. */
  const press = async (key: string) => {
    while (keys.listenerCount('data') === 0 || !state.screen.endsWith('[y/n] ')) await new Promise(setImmediate);
    keys.emit('data', Buffer.from(key));
  };
  return { terminal, state, press, keys, questions };
}

describe('the terminal gate', () => {
  test.each([
    ['y', 'approved'],
    ['Y', 'approved'],
    ['n', 'declined'],
    ['\u001b', 'declined'],
  ])('the key %j means %s', async (key, kind) => {
    const { terminal, press, state } = fakeTerminal();
    const answer = openTerminal(terminal).gate().ask(signIn, never);
    await press(key);
    expect(await answer).toMatchObject({ kind });
    expect(state.raw).toBe(false);
  });

  test('another key is no answer', async () => {
    const { terminal, press } = fakeTerminal();
    const answer = openTerminal(terminal).gate().ask(signIn, never);
    await press('x');
    await press('y');
    expect(await answer).toMatchObject({ kind: 'approved' });
  });

  test('what was typed before the question is no answer to it', async () => {
    const { terminal, press, keys, questions } = fakeTerminal();
    const answer = openTerminal(terminal).gate().ask(signIn, never);
    while (keys.listenerCount('data') === 0) await Promise.resolve();
    expect(questions()).toBe(0);
    keys.emit('data', Buffer.from('y'));
    await press('n');
    expect(await answer).toMatchObject({ kind: 'declined' });
  });

  test('a cancelled request takes its question away', async () => {
    const { terminal, state } = fakeTerminal();
    const cancel = new AbortController();
    const answer = openTerminal(terminal).gate().ask(signIn, cancel.signal);
    cancel.abort();
    expect(await answer).toEqual({ kind: 'cancelled' });
    expect(state.raw).toBe(false);
  });

  test('a second question waits for the first', async () => {
    const { terminal, press, questions } = fakeTerminal();
    const gate = openTerminal(terminal).gate();
    const first = gate.ask(signIn, never);
    const second = gate.ask({ kind: 'select' }, never);
    await press('n');
    expect(await first).toMatchObject({ kind: 'declined' });
    await press('y');
    expect(await second).toMatchObject({ kind: 'approved' });
    expect(questions()).toBe(2);
  });

  test('control characters in a name do not reach the terminal', async () => {
    const { terminal, press, state } = fakeTerminal();
    const answer = openTerminal(terminal)
      .gate()
      .ask({ kind: 'register', rpId: 'evil.example\u001b[2J', userName: 'a\nb' }, never);
    await press('n');
    await answer;
    expect(state.screen).toContain('evil.example·[2J as a·b');
  });

  test('Ctrl-C interrupts the program', async () => {
    const { terminal, press, state } = fakeTerminal();
    const answer = openTerminal(terminal).gate().ask(signIn, never);
    await press('\u0003');
    expect(state.interrupted).toBe(1);
    await press('n');
    await answer;
  });

  test('without a terminal nobody could answer, so it is refused', () => {
    expect(() => openTerminal(fakeTerminal(false).terminal)).toThrow('needs a terminal');
  });
});

describe('several keys on one terminal', () => {
  const never = new AbortController().signal;

  test('each question names its key', async () => {
    const { terminal, press, state } = fakeTerminal();
    const answer = openTerminal(terminal).gate('work').ask(signIn, never);
    await press('y');
    await answer;
    expect(state.screen).toContain('A program asks to sign in to example.com with the key "work". Allow? [y/n] ');
  });

  test('they take turns: the second asks once the first has its answer', async () => {
    const { terminal, press, questions } = fakeTerminal();
    const gateOf = openTerminal(terminal).gate;
    const answers = [gateOf('work').ask(signIn, never), gateOf('home').ask(signIn, never)];
    await press('n');
    expect(await answers[0]).toMatchObject({ kind: 'declined' });
    await press('y');
    expect(await answers[1]).toMatchObject({ kind: 'approved' });
    expect(questions()).toBe(2);
  });
});
