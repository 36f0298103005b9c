// Questions on a terminal: what is typed ahead counts, what is unseen stays unseen, and Ctrl-C is a no.

import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { askLine, askUnseen } from '../../../src/cli/ask.ts';

function fakeTerminal() {
  const input = new PassThrough();
  const output = new PassThrough();
  return {
    terminal: { input, output },
    type: (text: string) => input.write(text),
    screen: () => String(output.read()),
  };
}

describe('unseen answers', () => {
  test('both lines count when they are pasted at once, and neither is shown', async () => {
    const { terminal, type, screen } = fakeTerminal();
    const answers = askUnseen(['New: ', 'Again: '], terminal);
    type('first one\nsecond one\n');
    expect(await answers).toEqual(['first one', 'second one']);
    expect(screen()).toBe('New: \nAgain: \n');
  });

  test.each(['\u0003', '\u0004'])('%j is no answer', async (key) => {
    const { terminal, type } = fakeTerminal();
    const answers = askUnseen(['New: '], terminal);
    type(key);
    await expect(answers).rejects.toMatchObject({ name: 'UserError', exitCode: 6 });
  });
});

test('a line is asked for with its question', async () => {
  const { terminal, type, screen } = fakeTerminal();
  const answer = askLine('Really? [y/N] ', terminal);
  type('yes\n');
  expect(await answer).toBe('yes');
  expect(screen()).toBe('Really? [y/N] ');
});

test('a terminal that goes away is no answer', async () => {
  const { terminal } = fakeTerminal();
  const answer = askLine('Really? [y/N] ', terminal);
  terminal.input.end();
  await expect(answer).rejects.toMatchObject({ exitCode: 6 });
});
