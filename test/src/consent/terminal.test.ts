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

describe('words on the terminal', () => {
  const ask = (words: string[], signal: AbortSignal = never) => {
    const { terminal, keys, state } = fakeTerminal();
    const answer = openTerminal(terminal).askWords('Passphrase', signal);
    const typed = (async () => {
      for (const data of words) {
        while (!state.screen.endsWith('Passphrase: ')) await new Promise(setImmediate);
        keys.emit('data', Buffer.from(data, 'latin1'));
      }
    })();
    return { answer: typed.then(() => answer), state };
  };

  test.each([
    ['in one piece', ['secret\r'], 'secret'],
    ['key by key', [...'secret', '\n'], 'secret'],
    ['with a key taken back', ['secrx\u007fet\r'], 'secret'],
    ['begun anew', ['wrong\u0015secret\r'], 'secret'],
    ['with an arrow key in between', ['sec', '\u001b[D', 'ret\r'], 'secret'],
    ['beyond ASCII, a character in two pieces', ['\u00c3', '\u00a4\r'], 'ä'],
    ['none', ['\r'], undefined],
    ['none, by Escape', ['sec', '\u001b'], undefined],
    ['none, by Ctrl-D', ['\u0004'], undefined],
  ])('are taken %s', async (_, typed, words) => {
    const { answer, state } = ask(typed);
    expect(await answer).toBe(words);
    expect(state.screen).toBe(`\u0007\nPassphrase: ${words === undefined ? '' : 'checking …'}\n`);
    expect(state.raw).toBe(words !== undefined);
  });

  test('that are typed while others are checked are neither shown nor taken', async () => {
    const { terminal, keys, state } = fakeTerminal();
    const settled = new AbortController();
    const desk = openTerminal(terminal);
    const type = async (question: string, words: string) => {
      const answer = desk.askWords(question, settled.signal);
      while (!state.screen.endsWith(`${question}: `)) await new Promise(setImmediate);
      keys.emit('data', Buffer.from(words));
      return answer;
    };
    expect(await type('Passphrase', 'wrong\r')).toBe('wrong');
    expect(state.raw).toBe(true);
    keys.emit('data', Buffer.from('early\r'));
    keys.emit('data', Buffer.from('\u0003'));
    expect(state.interrupted).toBe(1);
    expect(await type('Wrong. Passphrase', 'right\r')).toBe('right');
    expect(state.raw).toBe(true);
    settled.abort();
    expect(state.raw).toBe(false);
    expect(keys.listenerCount('data')).toBe(0);
  });

  test('are no longer waited for once the question is withdrawn', async () => {
    const withdraw = new AbortController();
    const { answer, state } = ask([], withdraw.signal);
    while (!state.screen.endsWith('Passphrase: ')) await new Promise(setImmediate);
    withdraw.abort();
    expect(await answer).toBeUndefined();
    expect(state.screen).toContain('(withdrawn)');
  });
});

describe('a reset that takes a long touch', () => {
  test.each([
    ['reset\r', 'approved', 'yes'],
    ['y\r', 'declined', 'no'],
    ['\r', 'declined', 'no'],
    ['\u001b', 'declined', 'no'],
  ])('typed %j is %s', async (typed, kind, shown) => {
    const { terminal, state, keys } = fakeTerminal();
    const answer = openTerminal(terminal).gate().ask({ kind: 'reset', long: true }, never);
    while (!state.screen.endsWith('Type "reset" and Enter to allow it: ')) await new Promise(setImmediate);
    keys.emit('data', Buffer.from(typed));
    expect(await answer).toMatchObject({ kind });
    expect(state.screen).toMatch(new RegExp(`${shown}\n$`));
    expect(state.raw).toBe(false);
  });

  test('takes a single key where it is not long', async () => {
    const { terminal, press } = fakeTerminal();
    const answer = openTerminal(terminal).gate().ask({ kind: 'reset' }, never);
    await press('y');
    expect(await answer).toMatchObject({ kind: 'approved' });
  });
});

describe('a terminal gate that verifies', () => {
  const verify: Prompt = { ...signIn, verify: true };
  const gateOn = (fake: ReturnType<typeof fakeTerminal>) =>
    openTerminal(fake.terminal).gate(undefined, async (words) => words === 'right');
  async function answer(typed: string, prompt = verify) {
    const fake = fakeTerminal();
    const answered = gateOn(fake).ask(prompt, never);
    while (!/: $|\[y\/n\] $/.test(fake.state.screen)) await new Promise(setImmediate);
    fake.keys.emit('data', Buffer.from(typed));
    return answered;
  }

  test('says that it can and how, by a passcode, and one without a check does not', () => {
    expect(gateOn(fakeTerminal())).toMatchObject({ canVerify: true, uvModality: 0x04 });
    expect(openTerminal(fakeTerminal().terminal).gate().canVerify).toBe(false);
  });

  test('takes the words for the approval of the owner', async () => {
    expect(await answer('right\r')).toEqual({ kind: 'approved', verified: true });
  });

  test('takes other words for somebody else, which costs a try', async () => {
    expect(await answer('wrong\r')).toEqual({ kind: 'approved', verified: false });
  });

  test('takes no words for a refusal', async () => {
    expect(await answer('\r')).toEqual({ kind: 'declined' });
  });

  test('does not take a single key for a verification, nor ask for words where none is wanted', async () => {
    expect(await answer('y\r')).toEqual({ kind: 'approved', verified: false });
    expect(await answer('y', signIn)).toEqual({ kind: 'approved', verified: false });
  });
});
