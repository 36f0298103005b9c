// Configuration: what overrules what, and what is refused with which words.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultPolicy } from '../../ctap/policy.ts';
import { keyNames, loadConfig, runtimeDirectory } from '../../src/config.ts';
import { UserError } from '../../src/errors.ts';
import { policyOf } from '../../src/key-setup.ts';

let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'passfob-config-'));
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

function writeFile(content: string): void {
  mkdirSync(join(home, '.config', 'passfob'), { recursive: true });
  writeFileSync(join(home, '.config', 'passfob', 'config.json'), content);
}

describe('where settings come from', () => {
  test('without any setting the vault is in the data folder and a person is asked', () => {
    expect(loadConfig({}, { env: {}, home })).toEqual({
      vaultDirectory: join(home, '.local/share/passfob/vault'),
      passphraseFile: undefined,
      lockOnScreenLock: undefined,
      transports: ['auto'],
      consent: 'ask',
      logLevel: 'info',
      profile: 'compatible',
      attestation: 'self',
      resetWindow: 'power-up',
      credentialKind: undefined,
      relyingParties: {},
      enterprise: undefined,
      extensions: {},
    });
  });

  test('XDG_DATA_HOME moves the vault', () => {
    expect(loadConfig({}, { env: { XDG_DATA_HOME: '/data' }, home }).vaultDirectory).toBe('/data/passfob/vault');
  });

  test('the file is overruled by the environment, and that by flags', () => {
    writeFile('{"vault": "/file", "consent": "never", "logLevel": "debug"}');
    const env = { PASSFOB_VAULT: '/env', PASSFOB_CONSENT: 'always' };
    const config = loadConfig({ vault: '/flag' }, { env, home });
    expect(config).toMatchObject({ vaultDirectory: '/flag', consent: 'always', logLevel: 'debug' });
  });

  test('in the file ~/ is the home, and a byte-order mark nothing', () => {
    const own = { vault: '~/vault', transport: ['uhid', 'socket:~/key.sock'] };
    writeFile(`\ufeff${JSON.stringify({ passphraseFile: '~/pass', keyFile: '/key', keys: { work: own } })}`);
    expect(loadConfig({ key: 'work' }, { env: {}, home })).toMatchObject({
      vaultDirectory: join(home, 'vault'),
      passphraseFile: join(home, 'pass'),
      keyFile: '/key',
      transports: ['uhid', `socket:${home}/key.sock`],
    });
  });

  test('the environment names several transports with spaces between them', () => {
    const env = { PASSFOB_TRANSPORT: 'uhid  tcp:127.0.0.1:7000' };
    expect(loadConfig({}, { env, home }).transports).toEqual(['uhid', 'tcp:127.0.0.1:7000']);
  });

  test('reset is taken at any time only where that was asked for', () => {
    const policyWith = (env: Record<string, string>) => policyOf(loadConfig({}, { env, home }));
    expect(policyWith({}).resetWindowMs).toBe(10_000);
    expect(policyWith({ PASSFOB_RESET_WINDOW: 'always' }).resetWindowMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('the file says what new credentials become, everywhere and for one relying party, and who may ask for more', () => {
    const relyingParties = { 'example.com': { credentialKind: 'synced' } };
    const enterprise = { rpIds: ['example.com'] };
    writeFile(JSON.stringify({ credentialKind: 'device-bound', relyingParties, enterprise, profile: 'full' }));
    const config = loadConfig({ attestation: 'certificate' }, { env: {}, home });
    expect(config).toMatchObject({ credentialKind: 'device-bound', relyingParties, enterprise, profile: 'full' });
    const policy = policyOf(config);
    expect(policy).toMatchObject({ credentialKind: 'device-bound', enterpriseRpIds: ['example.com'] });
    expect(policy.credentialKindOf.get('example.com')).toBe('synced');
    expect(policy.advertisedAlgorithms).toHaveLength(7);
  });

  test('the file switches extensions off, but not those that the specification insists on', () => {
    writeFile('{"extensions": {"largeBlobKey": false, "credBlob": true}}');
    const { extensions } = policyOf(loadConfig({}, { env: {}, home }));
    expect(extensions).toEqual(defaultPolicy.extensions.filter((name) => name !== 'largeBlobKey'));
    for (const wrong of ['{"hmac-secret": false}', '{"largeBlob": false}', '{"credBlob": 0}', '["credBlob"]']) {
      writeFile(`{"extensions": ${wrong}}`);
      expect(() => loadConfig({}, { env: {}, home })).toThrow('"extensions" must be like {"largeBlobKey": false}');
    }
  });

  test('an empty variable of the environment sets nothing', () => {
    const env = { PASSFOB_VAULT: '', PASSFOB_TRANSPORT: ' ', PASSFOB_CONSENT: '' };
    expect(loadConfig({}, { env, home })).toEqual(loadConfig({}, { env: {}, home }));
  });

  test('the result cannot be changed', () => {
    expect(Object.isFrozen(loadConfig({}, { env: {}, home }))).toBe(true);
  });
});

describe('keys with names', () => {
  const here = { env: { PASSFOB_VAULT: '/env', PASSFOB_CONSENT: 'never' }, home: '' };

  test('a key has settings of its own, before the environment and the settings for all keys', () => {
    writeFile('{"vault": "/file", "profile": "full", "keys": {"work": {"vault": "/work", "consent": "always"}}}');
    const config = loadConfig({ key: 'work' }, { ...here, home });
    expect(config).toMatchObject({ keyName: 'work', vaultDirectory: '/work', consent: 'always', profile: 'full' });
  });

  test('a flag outweighs what the key says of itself', () => {
    writeFile('{"keys": {"work": {"consent": "always"}}}');
    expect(loadConfig({ key: 'work', consent: 'ask' }, { ...here, home }).consent).toBe('ask');
  });

  test('a key that names no vault has one of its own, not that of the key without a name', () => {
    writeFile('{"vault": "/file", "keys": {"work": {}}}');
    expect(loadConfig({ key: 'work' }, { ...here, home }).vaultDirectory).toBe(
      join(home, '.local/share/passfob/keys/work'),
    );
  });

  test('keys are listed in the order of the file', () => {
    writeFile('{"keys": {"work": {}, "home": {}}}');
    expect(keyNames({ env: {}, home })).toEqual(['work', 'home']);
  });

  test('there are none without a file', () => {
    expect(keyNames({ env: {}, home })).toEqual([]);
  });

  test('a key that the file does not know is refused, with those that it knows as a hint', () => {
    writeFile('{"keys": {"work": {}, "home": {}}}');
    expect(() => loadConfig({ key: 'toString' }, { env: {}, home })).toThrow(
      expect.objectContaining({
        message: `there is no key "toString" in ${join(home, '.config/passfob/config.json')}`,
        hint: 'its keys: work, home',
      }),
    );
  });

  test('a key and a vault exclude each other', () => {
    writeFile('{"keys": {"work": {}}}');
    expect(() => loadConfig({ key: 'work', vault: '/v' }, { env: {}, home })).toThrow('exclude each other');
  });
});

describe('what is refused', () => {
  test.each(['key', 'vault', 'passphraseFile', 'consent', 'logLevel'])('an empty flag for %s', (name) => {
    expect(() => loadConfig({ [name]: '' }, { env: {}, home })).toThrow('is empty');
  });

  test.each([
    ['{"vault": 1}', '"vault" must be a path'],
    ['{"vualt": "/x"}', 'unknown setting "vualt"'],
    ['{"toString": "/x"}', 'unknown setting "toString"'],
    ['{"transport": "uhid"}', '"transport" must be an array of texts'],
    ['{"relyingParties": {"example.com": {"credentialKind": "copied"}}}', '"relyingParties" must be like'],
    ['{"relyingParties": {"example.com": {}}}', '"relyingParties" must be like'],
    ['{"enterprise": {"rpIds": "example.com"}}', '"enterprise" must be like'],
    ['{"profile": "some"}', 'unknown profile "some"'],
    ['{"resetWindow": "never"}', 'unknown reset window "never"'],
    ['{"attestation": "basic"}', 'unknown attestation "basic"'],
    ['{"credentialKind": "copied"}', 'unknown kind of credentials "copied"'],
    ['{"serialNumber": "Grüße"}', '"serialNumber" must be 1 to 63 printable ASCII characters'],
    [`{"productName": "${'x'.repeat(127)}"}`, '"productName" must be 1 to 126 printable ASCII characters'],
    ['{"keys": []}', '"keys" must be like'],
    ['{"keys": {"a b": {}}}', '"keys" names a key "a b"'],
    ['{"keys": {"work": 1}}', '"keys.work": expected a JSON object'],
    ['{"keys": {"work": {"vualt": "/x"}}}', 'unknown setting "keys.work.vualt"'],
    ['{"keys": {"work": {"logLevel": "debug"}}}', 'unknown setting "keys.work.logLevel"'],
    ['{"keys": {"work": {"keys": {}}}}', 'unknown setting "keys.work.keys"'],
    ['{"keys": {"work": {"transport": []}}}', '"keys.work.transport" must be an array of texts'],
    ['[]', 'expected a JSON object'],
    ['{', 'is not JSON'],
  ])('the file %s', (content, message) => {
    writeFile(content);
    expect(() => loadConfig({}, { env: {}, home })).toThrow(message);
  });

  test.each(['vault', 'passphraseFile', 'keyFile'])('a path of the file as "%s" that begins nowhere', (name) => {
    writeFile(JSON.stringify({ [name]: 'some/where' }));
    expect(() => loadConfig({}, { env: {}, home })).toThrow(`"${name}" must be a path that begins with / or ~/`);
  });

  test('a socket of the file that begins nowhere', () => {
    writeFile('{"keys": {"work": {"transport": ["uhid", "socket:key.sock"]}}}');
    expect(() => loadConfig({}, { env: {}, home })).toThrow('"keys.work.transport" must be an array of texts; after');
  });

  test('an unknown consent mode, with the known ones as a hint', () => {
    expect(() => loadConfig({ consent: 'maybe' }, { env: {}, home })).toThrow(
      expect.objectContaining({ message: 'unknown consent "maybe"', hint: 'one of: ask, always, never, scripted' }),
    );
  });

  test('an unknown log level', () => {
    expect(() => loadConfig({ logLevel: 'loud' }, { env: {}, home })).toThrow(UserError);
  });
});

test('sockets live in the runtime folder, or in one of this user', () => {
  expect(runtimeDirectory({ env: { XDG_RUNTIME_DIR: '/run/user/7' }, home })).toBe('/run/user/7/passfob');
  expect(runtimeDirectory({ env: {}, home })).toBe(`/tmp/passfob-${process.getuid?.()}`);
});
