// The metadata statement, held against what a key of the same policy says of itself, read by the independent client.
// A difference fails this, and so `npm run check`.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetadataService, type MetadataStatement } from '@simplewebauthn/server';
import { afterAll, describe, expect, it } from 'vitest';
import { profiles } from '../../ctap/policy.ts';
import { openAttestation } from '../../src/attestation.ts';
import { attestationModes, loadConfig } from '../../src/config.ts';
import { keySetupOf } from '../../src/key-setup.ts';
import { metadataStatement } from '../../src/metadata.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { Command, Key, map } from '../support/key.ts';
import type * as platform from '../support/platform.ts';
import { registerInBrowser, simpleWebAuthn } from '../support/relying-parties.ts';

const directory = mkdtempSync(join(tmpdir(), 'passfob-metadata-'));
const crypto = createOpensslCrypto();
const rows = Object.keys(profiles).flatMap((profile) =>
  attestationModes.flatMap((attestation) => [
    { profile, attestation, enterprise: undefined },
    { profile, attestation, enterprise: { rpIds: ['example.org'] } },
  ]),
);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The names that the statement has for the keys of getInfo. CTAP 2.3 §6.4. */
const memberNames = [
  ...[
    '',
    'versions',
    'extensions',
    'aaguid',
    'options',
    'maxMsgSize',
    'pinUvAuthProtocols',
    'maxCredentialCountInList',
  ],
  ...['maxCredentialIdLength', 'transports', 'algorithms', 'maxSerializedLargeBlobArray', 'forcePINChange'],
  ...['minPINLength', 'firmwareVersion', 'maxCredBlobLength', 'maxRPIDsForSetMinPINLength'],
  ...['preferredPlatformUvAttempts', 'uvModality', 'certifications', 'remainingDiscoverableCredentials'],
  ...['vendorPrototypeConfigCommands', 'attestationFormats', 'uvCountSinceLastPinEntry', 'longTouchForReset'],
  ...['encIdentifier', 'transportsForReset', 'pinComplexityPolicy', 'pinComplexityPolicyURL', 'maxPINLength'],
  ...['encCredStoreState', 'authenticatorConfigCommands'],
];
const registryNames: Readonly<Record<number, string>> = {
  [-7]: 'secp256r1_ecdsa_sha256_raw',
  [-8]: 'ed25519_eddsa_sha512_raw',
  [-35]: 'secp384r1_ecdsa_sha384_raw',
  [-36]: 'secp521r1_ecdsa_sha512_raw',
  [-47]: 'secp256k1_ecdsa_sha256_raw',
};

describe.each(rows)('with the profile $profile, attestation $attestation, enterprise $enterprise', (row) => {
  async function subjects() {
    const config = { ...loadConfig({ vault: directory, ...row }, { env: {}, home: directory }) };
    const { policy, ...environment } = await keySetupOf(config);
    const { root } = await openAttestation(directory, policy.aaguid);
    const statement = (await metadataStatement({ policy, ...environment }, root)) as MetadataStatement;
    const key = new Key({ crypto, policy, environment });
    const { members } = await key.send(Command.getInfo);
    return { statement, key, members, root };
  }

  it('copies getInfo member by member (META-07)', async () => {
    const { statement, members } = await subjects();
    const plain = (value: platform.Value): unknown => {
      if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
      if (value instanceof Map) return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
      return Array.isArray(value) ? value.map(plain) : value;
    };
    const expected = [...members]
      .filter(([number]) => number !== 0x19 && number !== 0x1e)
      .map(([number, value]) => [memberNames[Number(number)], plain(value)]);
    expect(JSON.parse(JSON.stringify(statement.authenticatorGetInfo))).toEqual(Object.fromEntries(expected));
  });

  it('names model, versions and algorithms as getInfo does (META-01, META-02, META-03)', async () => {
    const { statement, members } = await subjects();
    expect(statement).toMatchObject({ protocolFamily: 'fido2', schema: 3, authenticatorVersion: members.get(0x0e) });
    expect(statement.aaguid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(statement.aaguid?.replaceAll('-', '')).toBe(Buffer.from(members.get(3) as Uint8Array).toString('hex'));
    const versions = statement.upv.map(({ major, minor }) => `FIDO_${major + 1}_${minor}`);
    expect(versions.length).toBeGreaterThan(0);
    const claimed = (members.get(1) as string[]).filter((version) => /^FIDO_2_\d$/.test(version));
    expect(new Set(versions)).toEqual(new Set(claimed));
    const listed = (members.get(0x0a) as ReadonlyMap<string, number>[]).flatMap(
      (algorithm) => registryNames[algorithm.get('alg') ?? 0] ?? [],
    );
    expect(statement.authenticationAlgorithms).toEqual(listed);
    expect(statement.publicKeyAlgAndEncodings).toContain('cose');
  });

  it('tells what registrations bear (META-04)', async () => {
    const { statement, key, root } = await subjects();
    const { certificates } = await key.register({ 11: ['packed'] });
    const { attestationTypes } = statement;
    expect(attestationTypes).toContain(certificates.length > 0 ? 'basic_full' : 'basic_surrogate');
    expect(attestationTypes.includes('basic_full')).toBe(
      row.attestation === 'certificate' || row.enterprise !== undefined,
    );
    expect(statement.attestationRootCertificates).toEqual([Buffer.from(root).toString('base64')]);
  });

  it('tells how people are verified (META-05)', async () => {
    const { statement, members } = await subjects();
    const details = (statement.userVerificationDetails ?? []) as {
      userVerificationMethod: string;
      caDesc?: object;
    }[][];
    expect(details.every((alternative) => alternative.length === 1)).toBe(true);
    const methods = details.flat().map(({ userVerificationMethod }) => userVerificationMethod);
    const options = members.get(4) as ReadonlyMap<string, boolean>;
    expect(methods.includes('presence_internal')).toBe(options.get('up') !== false);
    expect(methods.includes('passcode_external')).toBe(members.has(6));
    for (const { userVerificationMethod, caDesc } of details.flat()) {
      expect(caDesc !== undefined).toBe(userVerificationMethod.startsWith('passcode_external'));
    }
  });

  it('has fields that the specification knows, with values that it allows (META-06, META-08)', async () => {
    const { statement } = await subjects();
    expect(Object.keys(statement).sort()).toEqual(
      [
        ...['aaguid', 'attachmentHint', 'attestationRootCertificates', 'attestationTypes', 'authenticationAlgorithms'],
        ...['authenticatorGetInfo', 'authenticatorVersion', 'cryptoStrength', 'description', 'friendlyNames', 'icon'],
        ...['isFreshUserVerificationRequired', 'isKeyRestricted', 'keyProtection', 'legalHeader', 'matcherProtection'],
        ...['protocolFamily', 'publicKeyAlgAndEncodings', 'schema', 'tcDisplay', 'upv', 'userVerificationDetails'],
      ].sort(),
    );
    expect(statement.keyProtection).toEqual(['software', 'remote_handle']);
    expect(statement.attachmentHint).toEqual(['external', 'wired']);
    expect([statement.isKeyRestricted, statement.isFreshUserVerificationRequired]).toEqual([false, false]);
    expect(statement.tcDisplay).toEqual([]);
    const png = Buffer.from((statement.icon ?? '').replace('data:image/png;base64,', ''), 'base64');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([32, 32]);
  });
});

it('has an empty list of roots for self attestation alone (META-04)', async () => {
  const config = loadConfig({ vault: directory }, { env: {}, home: directory });
  const statement = await metadataStatement(await keySetupOf(config), undefined);
  expect(statement).toMatchObject({ attestationTypes: ['basic_surrogate'], attestationRootCertificates: [] });
});

it.each(['self', 'certificate'])(
  'lets the key in by name at a site that demands a statement: %s',
  async (attestation) => {
    const config = loadConfig({ vault: directory, attestation, profile: 'full' }, { env: {}, home: directory });
    const { policy, ...environment } = await keySetupOf(config);
    const { root } = await openAttestation(directory, policy.aaguid);
    const trusted = attestation === 'certificate' ? root : undefined;
    const statement = (await metadataStatement({ policy, ...environment }, trusted)) as MetadataStatement;
    await MetadataService.initialize({ mdsServers: [], statements: [statement], verificationMode: 'strict' });
    for (const alg of [-7, -8]) {
      const key = new Key({ crypto, policy, environment });
      const registration = await registerInBrowser(key, { 4: [map({ alg, type: 'public-key' })] });
      expect(await simpleWebAuthn(registration, [-7, -8], trusted)).toBe(true);
    }
  },
);
