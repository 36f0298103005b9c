// What gives out private keys wants a way into the vault; a passphrase is one of several. With the built program, against
// a vault without a passphrase, that a daemon serves or nobody, and that a daemon has locked.

import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createOpensslCrypto } from '../../../src/openssl.ts';
import { createVault, newRecoveryPhrase } from '../../../store/vault.ts';
import { Home } from '../../support/program.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let home: Home;
let sealing: string[];
const path = (name: string) => join(home.directory, name);
beforeAll(async () => {
  home = new Home();
  home.env['PASSFOB_PASSPHRASE_FILE'] = '';
  sealing = ['--recipient', await identityToRecipient(await generateX25519Identity())];
  const [keyFile, recoveryPhrase] = [randomBytes(32), await newRecoveryPhrase()];
  for (const [name, content] of Object.entries({
    key: keyFile,
    'another key': randomBytes(32),
    words: `${recoveryPhrase}\n`,
    'other words': `${await newRecoveryPhrase()}\n`,
  })) {
    writeFileSync(path(name), content, { mode: 0o600 });
  }
  const vault = await createVault(home.vault, { keyFile }, { credentialKind: 'synced' });
  await vault.addSlot({ recoveryPhrase });
  const keyPair = createOpensslCrypto().generateKeyPair(-7);
  await vault.update((tx) => tx.putCredential(sampleCredential(1, { kind: 'synced', ...keyPair })));
  await vault.close();
});
afterAll(() => home.remove());

const withKeyFile = () => ['--key-file', path('key')];
const withWords = () => ['--passphrase-file', path('words')];

describe.each<[string, string[] | undefined, boolean | undefined]>([
  ['nobody serves', undefined, undefined],
  ['a daemon serves', [], false],
  ['a daemon has locked', ['--locked'], true],
])('of a vault without a passphrase that %s', (_, daemonFlags, locked) => {
  beforeAll(async () => {
    if (daemonFlags) await home.start('--consent', 'never', ...withKeyFile(), ...daemonFlags);
  });
  afterAll(() => home.stopDaemons());

  test('the private keys are given out for its key file or its recovery phrase', async () => {
    const file = path(`${locked} backup`);
    expect(await home.json('backup', file, ...sealing, ...withKeyFile())).toMatchObject({ credentials: 1 });
    const exported = path(`${locked} export`);
    const format = ['--format', 'cxf', ...sealing];
    expect(await home.json('export', exported, ...format, ...withWords())).toMatchObject({ exported: 1 });
    expect(await home.json('dump', '--secrets', ...withWords())).toMatchObject({
      credentials: [{ privateKey: { kty: 'EC' } }],
    });
    if (locked !== undefined) expect(await home.json('status')).toMatchObject({ locked });
  });

  test('and for nothing else', async () => {
    const file = path('none');
    for (const way of [
      ['--key-file', path('another key')],
      ['--passphrase-file', path('other words')],
    ]) {
      const refused = await home.run('backup', file, ...sealing, ...way);
      expect(refused).toMatchObject({ code: 3, stderr: expect.stringMatching(/key file|recovery phrase/) });
      expect(existsSync(file)).toBe(false);
    }
    const unasked = await home.run('dump', '--secrets');
    expect(unasked).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('not a terminal') });
  });
});
