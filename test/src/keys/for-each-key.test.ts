// Several keys: all or none, and an error that says which.

import { expect, test } from 'vitest';
import { exitCode, UserError } from '../../../src/errors.ts';
import { forEachKey } from '../../../src/keys/for-each-key.ts';

const keys = [{ keyName: 'one' }, { keyName: 'two' }, { keyName: 'three' }];

test('makes something for each key, in order', async () => {
  expect(await forEachKey(keys, async ({ keyName }) => keyName.length)).toEqual([3, 3, 5]);
});

test('if one fails, what was made is undone, the rest is left alone, and the error names the key', async () => {
  const events: string[] = [];
  const made = forEachKey(
    keys,
    async ({ keyName }) => {
      if (keyName === 'two') throw new UserError('no vault', 'make one', exitCode.vault);
      events.push(`made ${keyName}`);
      return keyName;
    },
    async (keyName) => void events.push(`undid ${keyName}`),
  );
  await expect(made).rejects.toMatchObject({ message: 'key "two": no vault', hint: 'make one', exitCode: 3 });
  expect(events).toEqual(['made one', 'undid one']);
});

test('an error about the key without a name names none', async () => {
  const made = forEachKey([{ keyName: undefined }], async () => Promise.reject(new Error('no vault')));
  await expect(made).rejects.toThrow(/^no vault$/);
});
