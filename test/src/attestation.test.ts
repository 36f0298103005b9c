// The attestation certificates that a vault makes for itself, looked at with OpenSSL.

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../ctap/policy.ts';
import { type Attestation, hasAttestation, openAttestation } from '../../src/attestation.ts';

const { aaguid } = defaultPolicy;
const directory = mkdtempSync(join(tmpdir(), 'passfob-attestation-'));
let attestation: Attestation;

beforeAll(async () => {
  expect(hasAttestation(directory)).toBe(false);
  attestation = await openAttestation(directory, aaguid);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each(['model', 'enterprise'] as const)('the leaf certificate for %s', (name) => {
  const leaf = () => new X509Certificate(attestation[name].certificates[0] ?? new Uint8Array());

  it('is issued by the root and no authority itself (ATT-03, ATT-04)', () => {
    const root = new X509Certificate(attestation.root);
    expect(attestation[name].certificates).toHaveLength(1);
    expect(leaf().checkIssued(root) && leaf().verify(root.publicKey)).toBe(true);
    expect([leaf().ca, root.ca, root.verify(root.publicKey)]).toEqual([false, true, true]);
  });

  it('is of version 3 and names country, organisation, unit and itself (ATT-04)', () => {
    const { subject, raw } = leaf();
    expect(subject).toMatch(/^C=ZZ\nO=passfob\nOU=Authenticator Attestation\nCN=passfob/);
    expect(raw.toString('hex')).toContain('a003020102'); // version, [0] INTEGER 2
    expect(raw.toString('hex')).toContain(`060355040613025a5a`); // C as a PrintableString
  });

  it('has the AAGUID in an octet string in an octet string, not critical (ATT-05)', () => {
    const extension = `060b2b0601040182e51c01010404120410${Buffer.from(aaguid).toString('hex')}`;
    expect(leaf().raw.toString('hex')).toContain(extension);
  });

  it('is valid now and for five years at least (ATT-06)', () => {
    expect(new Date(leaf().validFrom).getTime()).toBeLessThan(Date.now());
    const fiveYears = 5 * 366 * 86_400_000;
    expect(new Date(leaf().validTo).getTime()).toBeGreaterThan(Date.now() + fiveYears);
  });

  it('goes with the key that signs', async () => {
    const { verify } = await import('node:crypto');
    const message = Buffer.from('message');
    expect(verify('sha256', message, leaf().publicKey, attestation[name].sign(message))).toBe(true);
  });
});

it('gives a serial number to the enterprise certificate alone', () => {
  const serial = '2b0601040182e51c010102';
  const [model, enterprise] = [attestation.model, attestation.enterprise].map(({ certificates }) =>
    Buffer.from(certificates[0] ?? []).toString('hex'),
  );
  expect(model).not.toContain(serial);
  expect(enterprise).toContain(`${serial}04120410`);
});

it('is the same every time, and lies where only the user can read it, without the key of its authority', async () => {
  const again = await openAttestation(directory, aaguid);
  expect([again.root, again.model.certificates]).toEqual([attestation.root, attestation.model.certificates]);
  const folder = join(directory, 'attestation');
  expect(readdirSync(directory)).toEqual(['attestation']);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const file of readdirSync(folder)) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(folder, 'root.pem'), 'utf8')).not.toContain('PRIVATE');
});

it('says so if a file is damaged', async () => {
  const damaged = mkdtempSync(join(tmpdir(), 'passfob-attestation-'));
  await openAttestation(damaged, aaguid);
  writeFileSync(join(damaged, 'attestation', 'model.pem'), 'nonsense');
  await expect(openAttestation(damaged, aaguid)).rejects.toThrow('cannot use the attestation');
  rmSync(damaged, { recursive: true, force: true });
});
