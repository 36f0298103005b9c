// Attestation with certificates: a certificate authority of this vault's own, made on first use, and two keys that it
// vouches for: one for the model, and one that names this device, for enterprise attestation. They protect nothing of
// the user's and lie beside the vault's database, unencrypted. WebAuthn §8.2.1.

import { createPrivateKey, sign, webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AttestationKey } from '../ctap/env.ts';
import { exitCode, UserError } from './errors.ts';

export interface Attestation {
  /** DER; what a relying party has to trust. */
  readonly root: Uint8Array;
  readonly model: AttestationKey;
  readonly enterprise: AttestationKey;
}

interface Holder {
  readonly name: string;
  readonly certificate: X509;
  readonly privateKey: webcrypto.CryptoKey;
}

type X509 = import('@peculiar/x509').X509Certificate;
type CertificateExtension = import('@peculiar/x509').Extension;

const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const notAfter = new Date('2049-12-31T23:59:59Z');
const dayMs = 86_400_000;

/** WebAuthn §8.2.1: id-fido-gen-ce-aaguid, and id-fido-gen-ce-sernum for enterprise attestation. */
const objectIdentifier = { aaguid: '1.3.6.1.4.1.45724.1.1.4', serialNumber: '1.3.6.1.4.1.45724.1.1.2' } as const;

export function hasAttestation(vaultDirectory: string): boolean {
  return existsSync(folderOf(vaultDirectory));
}

/**
 * The attestation of the vault in `vaultDirectory`; made if there is none yet.
 * @throws UserError if its files cannot be read or written.
 */
export async function openAttestation(vaultDirectory: string, aaguid: Uint8Array): Promise<Attestation> {
  const folder = folderOf(vaultDirectory);
  try {
    if (!hasAttestation(vaultDirectory)) await makeAttestation(vaultDirectory, aaguid);
    return {
      root: certificateOf(readFileSync(join(folder, 'root.pem'), 'utf8')),
      model: keyOf(readFileSync(join(folder, 'model.pem'), 'utf8')),
      enterprise: keyOf(readFileSync(join(folder, 'enterprise.pem'), 'utf8')),
    };
  } catch (error) {
    throw new UserError(
      `cannot use the attestation in ${folder}: ${(error as Error).message}`,
      'remove the folder to have a new one made',
      exitCode.vault,
    );
  }
}

function folderOf(vaultDirectory: string): string {
  return join(vaultDirectory, 'attestation');
}

function keyOf(pem: string): AttestationKey {
  const key = createPrivateKey(pem);
  const certificate = certificateOf(pem);
  return { certificates: [certificate], sign: (message) => new Uint8Array(sign('sha256', message, key)) };
}

function certificateOf(pem: string): Uint8Array {
  return new Uint8Array(new X509Certificate(pem.slice(pem.indexOf('-----BEGIN CERTIFICATE'))).raw);
}

/** All files or none: they are written elsewhere first. The authority's own key is forgotten, it has done its work. */
async function makeAttestation(vaultDirectory: string, aaguid: Uint8Array): Promise<void> {
  const holders = await makeHolders(aaguid);
  const workshop = mkdtempSync(join(vaultDirectory, '.attestation-'));
  try {
    for (const { name, certificate, privateKey } of holders) {
      const pem = name === 'root' ? '' : await exportPem(privateKey);
      writeFileSync(join(workshop, `${name}.pem`), `${pem}${certificate.toString('pem')}\n`, { mode: 0o600 });
    }
    renameSync(workshop, folderOf(vaultDirectory));
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

async function makeHolders(aaguid: Uint8Array): Promise<Holder[]> {
  // Loaded only here: hardly anybody needs it, and never twice.
  await import('reflect-metadata'); // x509 does not load without it
  const x509 = await import('@peculiar/x509');
  const identity = randomHex(8);
  const issuerName = new x509.Name(distinguishedName('Authenticator Attestation CA', `passfob ${identity}`));
  const authority = await newKeyPair();
  const common = () => ({
    serialNumber: `40${randomHex(15)}`,
    notBefore: new Date(Date.now() - dayMs),
    notAfter,
    signingAlgorithm,
  });
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...common(),
      name: issuerName,
      keys: authority,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(authority.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const leaf = async (name: string, commonName: string, extensions: CertificateExtension[]): Promise<Holder> => {
    const { publicKey, privateKey } = await newKeyPair();
    const certificate = await x509.X509CertificateGenerator.create(
      {
        ...common(),
        issuer: issuerName,
        subject: new x509.Name(distinguishedName('Authenticator Attestation', commonName)),
        publicKey,
        signingKey: authority.privateKey,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey, false, webcrypto),
          new x509.Extension(objectIdentifier.aaguid, false, octetString(aaguid)),
          ...extensions,
        ],
      },
      webcrypto,
    );
    return { name, certificate, privateKey };
  };
  const serialNumber = new x509.Extension(
    objectIdentifier.serialNumber,
    false,
    octetString(webcrypto.getRandomValues(new Uint8Array(16))),
  );
  return [
    { name: 'root', certificate: root, privateKey: authority.privateKey },
    await leaf('model', 'passfob', []),
    await leaf('enterprise', `passfob ${identity}`, [serialNumber]),
  ];
}

/** ISO 3166 leaves ZZ to whoever needs a country that is none. */
function distinguishedName(organizationalUnit: string, commonName: string) {
  return [
    { C: [{ printableString: 'ZZ' }] },
    { O: [{ utf8String: 'passfob' }] },
    { OU: [{ utf8String: organizationalUnit }] },
    { CN: [{ utf8String: commonName }] },
  ];
}

/** DER of 16 bytes: the extension's value is an octet string in an octet string. */
function octetString(content: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(0x04, content.length, ...content);
}

function newKeyPair() {
  return webcrypto.subtle.generateKey(signingAlgorithm, true, ['sign', 'verify']);
}

async function exportPem(privateKey: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return key.export({ format: 'pem', type: 'pkcs8' }).toString();
}

function randomHex(length: number): string {
  return Buffer.from(webcrypto.getRandomValues(new Uint8Array(length))).toString('hex');
}
