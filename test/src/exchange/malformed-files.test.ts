// Malformed files of other managers: each is refused with the path of its bad field, and without the value there.

import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../../src/errors.ts';
import { cxf } from '../../../src/exchange/cxf.ts';
import { readExchange } from '../../../src/exchange/formats.ts';
import { JsonReader } from '../../../src/exchange/json-reader.ts';
import { portableVaultJson, readPortableVault } from '../../../src/exchange/portable.ts';
import { bitwardenPasskeys, cxfPasskeys, type Document, read, sample, sampleText } from './sample-files.ts';

/** A file, what is wrong with it, how it came so, and the refusal. */
type Fault = [string, string, (document: Document) => void, string];

/** The way to every value in a document. */
const placesIn = (node: Document): (string | number)[][] =>
  typeof node !== 'object' || node === null
    ? []
    : Object.entries(node).flatMap(([step, inner]) => [[step], ...placesIn(inner).map((rest) => [step, ...rest])]);

/** What a reading gives, or the error for people; another error is thrown on. */
function refusalOr<T>(reading: () => T): T | UserError {
  try {
    return reading();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

describe('a malformed file is refused, with the path of the bad field', () => {
  const key = (type: 'rsa' | 'ed448' | 'x25519' | 'ed25519') => {
    const { privateKey } =
      type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync(type as 'ed448');
    return privateKey;
  };
  const derOf = (type: 'rsa' | 'ed448' | 'x25519' | 'ed25519') =>
    key(type).export({ format: 'der', type: 'pkcs8' }).toString('base64url');
  /** The private half of one key with the public half of another, which a P-256 key in PKCS#8 ends with. */
  const withForeignHalf = (der: Buffer) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return Buffer.concat([der.subarray(0, -64), privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-64)]);
  };
  const fromPem = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  const toPem = (der: Buffer) => `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----`;

  test.each<Fault>([
    [
      'bitwarden.json',
      'a key that is no base64url',
      (d) => (d.items[2].login.fido2Credentials[0].keyValue = 'a+b/'),
      'items[2].login.fido2Credentials[0].keyValue: expected base64url, got another text',
    ],
    [
      'bitwarden.json',
      'a key that is no PKCS#8',
      (d) => (d.items[2].login.fido2Credentials[1].keyValue = 'AAAA'),
      'items[2].login.fido2Credentials[1].keyValue: expected a private key in PKCS#8',
    ],
    [
      'bitwarden.json',
      'an RSA key',
      (d) => (d.items[1].login.fido2Credentials[0].keyValue = derOf('rsa')),
      'items[1].login.fido2Credentials[0].keyValue: expected a key for ECDSA or Ed25519, got rsa',
    ],
    [
      'bitwarden.json',
      'an Ed448 key',
      (d) => (d.items[1].login.fido2Credentials[0].keyValue = derOf('ed448')),
      'expected a key for ECDSA or Ed25519, got ed448',
    ],
    [
      'bitwarden.json',
      'an X25519 key',
      (d) => (d.items[1].login.fido2Credentials[0].keyValue = derOf('x25519')),
      'expected a key for ECDSA or Ed25519, got x25519',
    ],
    [
      'bitwarden.json',
      'a key whose public half is of another',
      (d) => {
        const passkey = d.items[1].login.fido2Credentials[0];
        passkey.keyValue = withForeignHalf(Buffer.from(passkey.keyValue, 'base64url')).toString('base64url');
      },
      'items[1].login.fido2Credentials[0].keyValue: expected a sound key, got a broken one',
    ],
    [
      'bitwarden.json',
      'bytes after a key',
      (d) => {
        const passkey = d.items[1].login.fido2Credentials[0];
        passkey.keyValue = `${passkey.keyValue}AAAA`;
      },
      'items[1].login.fido2Credentials[0].keyValue: expected a private key in PKCS#8',
    ],
    [
      'bitwarden.json',
      'an id in no known form',
      (d) => (d.items[1].login.fido2Credentials[0].credentialId = 'abc'),
      'items[1].login.fido2Credentials[0].credentialId: expected a UUID, or "b64." and base64url',
    ],
    [
      'bitwarden.json',
      'no user handle',
      (d) => delete d.items[1].login.fido2Credentials[0].userHandle,
      'items[1].login.fido2Credentials[0].userHandle: expected base64url, got nothing',
    ],
    [
      'bitwarden.json',
      'a website that is a number',
      (d) => (d.items[1].login.fido2Credentials[0].rpId = 7),
      'items[1].login.fido2Credentials[0].rpId: expected a text, got a number',
    ],
    [
      'bitwarden.json',
      'a date that is none',
      (d) => (d.items[1].login.fido2Credentials[0].creationDate = 'monday'),
      'creationDate: expected a date in the form of ISO 8601, got another text',
    ],
    ...[
      '7',
      '2024',
      'Thu, 21 Mar 2024 10:31:42 GMT',
      '2024-03-21 10:31:42',
      '2024-03-21T10:31:42',
      '2024-02-30T10:31:42Z',
      '1969-12-31T23:59:59Z',
      '9999-12-31T23:59:59-01:00',
    ].map<Fault>((date) => [
      'bitwarden.json',
      `the date "${date}"`,
      (d) => (d.items[1].login.fido2Credentials[0].creationDate = date),
      'items[1].login.fido2Credentials[0].creationDate: expected a date in the form of ISO 8601',
    ]),
    ...(
      [
        ['keyType', 'x', 'public-key'],
        ['keyAlgorithm', 'RSA', 'ECDSA'],
        ['keyCurve', 'P-521', 'P-256'],
      ] as const
    ).map<Fault>(([member, value, expected]) => [
      'bitwarden.json',
      `the ${member} ${value}`,
      (d) => (d.items[1].login.fido2Credentials[0][member] = value),
      `items[1].login.fido2Credentials[0].${member}: expected ${expected}, got another text`,
    ]),
    [
      'bitwarden.json',
      'an Ed25519 key said to be one of P-256',
      (d) => (d.items[1].login.fido2Credentials[0].keyValue = derOf('ed25519')),
      'items[1].login.fido2Credentials[0].keyValue: expected a key for ECDSA with P-256, got EdDSA',
    ],
    ...['abc', '', '-1', '1.5', '0x7', {}, -1].map<Fault>((counter) => [
      'bitwarden.json',
      `the counter ${JSON.stringify(counter)}`,
      (d) => (d.items[1].login.fido2Credentials[0].counter = counter),
      'items[1].login.fido2Credentials[0].counter: expected a whole number from 0',
    ]),
    ['bitwarden.json', 'no items', (d) => delete d.items, 'items: expected an array, got nothing'],
    ['bitwarden.json', 'an encrypted export', (d) => (d.encrypted = true), 'this Bitwarden export is encrypted'],
    ['cxf.json', 'a later version', (d) => (d.version.major = 2), 'version.major: expected 1, got a number'],
    [
      'cxf.json',
      'a short credential id',
      (d) => (cxfPasskeys(d)[0].credentialId = 'AAAA'),
      'accounts[0].items[0].credentials[1].credentialId: expected 16 to 255 bytes in base64url, got 3',
    ],
    [
      'cxf.json',
      'a credential id cut short in the middle of a byte',
      (d) => (cxfPasskeys(d)[0].credentialId += 'AA'), // 45 characters: no number of bytes
      'accounts[0].items[0].credentials[1].credentialId: expected base64url, got another text',
    ],
    [
      'cxf.json',
      'bits beyond the last byte of a credential id',
      (d) => (cxfPasskeys(d)[0].credentialId = `${'A'.repeat(42)}B`),
      'accounts[0].items[0].credentials[1].credentialId: expected base64url, got another text',
    ],
    [
      'cxf.json',
      'too much padding after a credential id',
      (d) => (cxfPasskeys(d)[0].credentialId += '=='),
      'accounts[0].items[0].credentials[1].credentialId: expected base64url, got another text',
    ],
    [
      'cxf.json',
      'a user handle that is empty',
      (d) => (cxfPasskeys(d)[0].userHandle = ''),
      'accounts[0].items[0].credentials[1].userHandle: expected 1 to 64 bytes in base64url, got 0',
    ],
    [
      'cxf.json',
      'an unknown hmac algorithm',
      (d) => (cxfPasskeys(d)[0].fido2Extensions.hmacCredentials.algorithm = 'hmac-md5'),
      'accounts[0].items[0].credentials[1].fido2Extensions.hmacCredentials.algorithm: expected hmac-sha256',
    ],
    [
      'cxf.json',
      'a large blob of another size',
      (d) => (cxfPasskeys(d)[0].fido2Extensions.largeBlob.uncompressedSize = 5),
      'fido2Extensions.largeBlob.data: expected 5 bytes, also after DEFLATE',
    ],
    [
      'cxf.json',
      'a large blob that would fill the memory',
      (d) => (cxfPasskeys(d)[0].fido2Extensions.largeBlob.uncompressedSize = 2 ** 40),
      'fido2Extensions.largeBlob.uncompressedSize: expected at most 16777216',
    ],
    [
      'cxf.json',
      'a time beyond all dates',
      (d) => (d.accounts[0].items[0].creationAt = Number.MAX_SAFE_INTEGER),
      'accounts[0].items[0].creationAt: expected seconds since 1970, up to the year 9999, got a number',
    ],
    [
      'cxf.json',
      'a time in the year 10000',
      (d) => (d.accounts[0].items[0].creationAt = 253_402_300_800),
      'accounts[0].items[0].creationAt: expected seconds since 1970, up to the year 9999, got a number',
    ],
    [
      'cxf.json',
      'a credential without a type',
      (d) => delete d.accounts[0].items[3].credentials[0].type,
      'accounts[0].items[3].credentials[0].type: expected a text, got nothing',
    ],
    ['keepassxc.passkey', 'no private key', (d) => delete d.privateKey, 'privateKey: expected a text, got nothing'],
    [
      'keepassxc.passkey',
      'a key in another form',
      (d) => (d.privateKey = d.privateKey.replaceAll('PRIVATE KEY', 'EC PRIVATE KEY')),
      'privateKey: expected a private key in PEM (PKCS#8)',
    ],
    [
      'keepassxc.passkey',
      'a key whose public half is of another',
      (d) => (d.privateKey = toPem(withForeignHalf(fromPem(d.privateKey)))),
      'privateKey: expected a sound key, got a broken one',
    ],
    [
      'keepassxc.passkey',
      'bytes after a key',
      (d) => (d.privateKey = toPem(Buffer.concat([fromPem(d.privateKey), Buffer.from('more')]))),
      'privateKey: expected a private key in PKCS#8',
    ],
    [
      'keepassxc.passkey',
      'a key with a character that is no base64',
      (d) => (d.privateKey = d.privateKey.replace('MIGH', 'MI*GH')),
      'privateKey: expected a private key in PEM (PKCS#8)',
    ],
    [
      'keepassxc.passkey',
      'a text after a key',
      (d) => (d.privateKey += 'more'),
      'privateKey: expected a private key in PEM (PKCS#8)',
    ],
    [
      'keepassxc.passkey',
      'an object in place of a name',
      (d) => (d.username = {}),
      'username: expected a text, got an object',
    ],
  ])('%s with %s', (name, _, change, message) => {
    const document = sample(name);
    change(document);
    expect(() => read(document)).toThrow(message);
  });

  describe.each([
    'https://example.com/login',
    'example.com:443',
    'Example.com',
    'bücher.example',
    'a..example',
    '-a.example',
    '.example',
    'example.',
    'two words.example',
    '127.0.0.1',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(124)}example`,
    'ssh:',
  ])('"%s" is no website', (rpId) => {
    test.each<[string, (document: Document) => void, string]>([
      ['cxf.json', (d) => (cxfPasskeys(d)[0].rpId = rpId), 'accounts[0].items[0].credentials[1].rpId'],
      ['bitwarden.json', (d) => (bitwardenPasskeys(d)[0].rpId = rpId), 'items[1].login.fido2Credentials[0].rpId'],
      ['keepassxc.passkey', (d) => (d.relyingParty = rpId), 'relyingParty'],
    ])('in %s', (name, change, path) => {
      const document = sample(name);
      change(document);
      expect(() => read(document)).toThrow(`${path}: expected a domain name in lower case, got another text`);
    });
  });

  test('half a character', () => {
    const document = sample('cxf.json');
    cxfPasskeys(document)[0].username = 'ada\ud83d';
    const path = 'accounts[0].items[0].credentials[1].username';
    expect(() => read(document)).toThrow(`${path}: expected a text of Unicode, got half a character`);
  });

  test('no error repeats a value, which may be a secret', () => {
    const document = sample('bitwarden.json');
    document.items[1].login.fido2Credentials[0].keyValue = 'not+a/key';
    expect(() => read(document)).toThrow(expect.not.stringContaining('not+a/key'));
  });

  test.each(['cxf.json', 'bitwarden.json', 'keepassxc.passkey'])(
    '%s with anything anywhere is refused, or is something that the daemon takes',
    (name) => {
      const places = placesIn(sample(name));
      const text = fc.string({ unit: 'binary' });
      const value = fc.oneof(fc.jsonValue(), text, fc.double(), fc.maxSafeInteger(), fc.constantFrom(undefined, '9e9'));
      fc.assert(
        fc.property(fc.constantFrom(...places), value, (place, changed) => {
          const document = sample(name);
          place.slice(0, -1).reduce((node, step) => node[step], document)[place.at(-1) ?? ''] = changed;
          const outcome = refusalOr(() => read(document));
          if (outcome instanceof UserError) return;
          const content = portableVaultJson({ credentials: outcome.credentials, syncedIdKeys: [] });
          const back = readPortableVault(new JsonReader(JSON.parse(JSON.stringify(content))));
          expect(back.credentials).toEqual(outcome.credentials);
        }),
      );
    },
  );

  test('a dump and a backup, with the command to take instead', () => {
    const refusal = (command: string) => expect.objectContaining({ hint: expect.stringContaining(command) });
    expect(() => read({ format: 'passfob-dump', credentials: [] })).toThrow(refusal('`passfob backup`'));
    expect(() => read({ format: 'passfob-backup', credentials: [] })).toThrow(refusal('`passfob restore`'));
  });

  test('what is no JSON, or of no known shape', () => {
    expect(() => readExchange(sampleText('cxf.json').slice(0, 400))).toThrow('the file is not JSON, or is cut short');
    expect(() => readExchange('[]')).toThrow('expected one of: FIDO Credential Exchange Format');
    expect(() => readExchange('{"__proto__": 1}')).toThrow('expected one of');
    expect(() => readExchange('{"format": "passfob-backup"}')).toThrow('this is a backup');
    expect(() => cxf.read(new JsonReader([]))).toThrow('the file: expected an object, got an array');
  });
});
