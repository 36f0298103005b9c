// Sealed files: what opens them, and what is said when nothing does. That `age` opens them, too, is shown by
// test/proof/age.proof.ts.

import { armor, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { beforeAll, describe, expect, test } from 'vitest';
import { isAge, lockOf, openAge, sealAge } from '../../../src/backup/age.ts';

const plaintext = Buffer.from('secrets');
const passphrase = 'correct horse';
const cheap = 10;
let sealed: Uint8Array;
beforeAll(async () => {
  sealed = await sealAge(plaintext, { passphrase }, cheap);
});

describe('a file under a passphrase', () => {
  test('opens with it, also in its form for e-mail', async () => {
    expect(lockOf(sealed)).toBe('passphrase');
    expect(Buffer.from(await openAge(sealed, { passphrase }))).toEqual(plaintext);
    const text = Buffer.from(armor.encode(sealed));
    expect(isAge(text)).toBe(true);
    expect(Buffer.from(await openAge(text, { passphrase }))).toEqual(plaintext);
  });

  test('shows nothing of what is in it', () => {
    expect(Buffer.from(sealed).includes(plaintext)).toBe(false);
    expect(isAge(sealed)).toBe(true);
    expect(isAge(plaintext)).toBe(false);
  });

  test('does not open with another', async () => {
    await expect(openAge(sealed, { passphrase: 'Correct horse' })).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('wrong passphrase'),
      exitCode: 3,
    });
  });

  test('is refused when a byte changed or it was cut short, wherever that is', async () => {
    for (let i = 0; i < sealed.length; i++) {
      const changed = Uint8Array.from(sealed.with(i, (sealed[i] ?? 0) ^ 1));
      const refused = { name: 'UserError' };
      await expect(openAge(changed, { passphrase }), `byte ${i}`).rejects.toMatchObject(refused);
      await expect(openAge(sealed.subarray(0, i), { passphrase }), `length ${i}`).rejects.toMatchObject(refused);
    }
  });

  test('of another version is told from a damaged one', () => {
    const other = Buffer.from(sealed.with(21, '2'.charCodeAt(0)));
    expect(isAge(other)).toBe(true);
    expect(() => lockOf(other)).toThrow('expected an age file of version age-encryption.org/v1');
  });
});

describe('a file for recipients', () => {
  test('opens with the secret key of each, and with no other', async () => {
    const identities = await Promise.all([generateX25519Identity(), generateX25519Identity()]);
    const recipients = await Promise.all(identities.map(identityToRecipient));
    const file = await sealAge(plaintext, { recipients });
    expect(lockOf(file)).toBe('identity');
    for (const identity of identities) {
      expect(Buffer.from(await openAge(file, { identities: [identity] }))).toEqual(plaintext);
    }
    const stranger = await generateX25519Identity();
    await expect(openAge(file, { identities: [stranger] })).rejects.toThrow('the file is sealed for other recipients');
    await expect(openAge(file, { identities: [] })).rejects.toThrow('the file is sealed for other recipients');
  });

  test('wants recipients and secret keys that are some', async () => {
    await expect(sealAge(plaintext, { recipients: ['age1nonsense'] })).rejects.toThrow(
      '"age1nonsense" is no recipient',
    );
    await expect(openAge(sealed, { identities: ['nonsense'] })).rejects.toThrow('expected an identity');
  });
});
