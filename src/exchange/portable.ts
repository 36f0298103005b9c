// A synced credential outside of the vault, and how it is written as JSON: in backups (docs/backup.md) and on the control
// socket. Everything that belongs to it is there, so that nothing is lost on the way.

import type { Credential, CredProtect } from '../../ctap/env.ts';
import { defaultPolicy } from '../../ctap/policy.ts';
import { truncate } from '../../ctap/request-members.ts';
import { base64url, type JsonWebKey, privateJwk } from '../jwk.ts';
import { createOpensslCrypto } from '../openssl.ts';
import { readJwk } from './credential-key.ts';
import type { JsonReader } from './json-reader.ts';

/** What a site stored with a credential. CTAP 2.1 §6.10.3. */
export interface LargeBlob {
  readonly uncompressedSize: number;
  /** DEFLATE, RFC 1951. */
  readonly data: Uint8Array;
}

/** A credential that may leave the vault, with what the large-blob array has of it. */
export interface PortableCredential extends Credential {
  readonly kind: 'synced';
  readonly largeBlob?: LargeBlob;
}

/** All that may leave a vault. */
export interface PortableVault {
  readonly credentials: readonly PortableCredential[];
  /** What seals the ids of synced credentials that are not discoverable, 32 bytes each. */
  readonly syncedIdKeys: readonly Uint8Array[];
}

/** Bytes are base64url without padding. */
export interface CredentialJson {
  readonly id: string;
  readonly rpId: string;
  readonly rpName?: string;
  readonly user: { readonly id: string; readonly name?: string; readonly displayName?: string };
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** The private key as a JSON Web Key. */
  readonly key: JsonWebKey;
  readonly credProtect: CredProtect;
  readonly credRandom: { readonly withUV: string; readonly withoutUV: string };
  readonly thirdPartyPayment: boolean;
  readonly credBlob?: string;
  readonly largeBlobKey?: string;
  readonly largeBlob?: { readonly uncompressedSize: number; readonly data: string };
}

export interface PortableVaultJson {
  readonly syncedIdKeys: readonly string[];
  readonly credentials: readonly CredentialJson[];
}

const openssl = createOpensslCrypto();

export function portableVaultJson({ syncedIdKeys, credentials }: PortableVault): PortableVaultJson {
  return { syncedIdKeys: syncedIdKeys.map(base64url), credentials: credentials.map(credentialJson) };
}

export function credentialJson(credential: PortableCredential): CredentialJson {
  const { rpId, rpName, user, credProtect, credRandom, thirdPartyPayment, credBlob, largeBlobKey, largeBlob } =
    credential;
  return {
    id: base64url(credential.id),
    rpId,
    ...(rpName !== undefined && { rpName }),
    user: { ...user, id: base64url(user.id) },
    createdAt: new Date(credential.createdAt).toISOString(),
    key: privateJwk(credential.algorithm, credential),
    credProtect,
    credRandom: { withUV: base64url(credRandom.withUV), withoutUV: base64url(credRandom.withoutUV) },
    thirdPartyPayment,
    ...(credBlob && { credBlob: base64url(credBlob) }),
    ...(largeBlobKey && { largeBlobKey: base64url(largeBlobKey) }),
    ...(largeBlob && { largeBlob: { ...largeBlob, data: base64url(largeBlob.data) } }),
  };
}

/** @throws UserError with the path of what is wrong */
export function readPortableVault(reader: JsonReader): PortableVault {
  return {
    syncedIdKeys: reader
      .member('syncedIdKeys')
      .items()
      .map((key) => key.bytes(32, 32)),
    credentials: reader.member('credentials').items().map(readCredential),
  };
}

function readCredential(reader: JsonReader): PortableCredential {
  const user = reader.member('user');
  const credRandom = reader.member('credRandom');
  const largeBlob = reader.optional('largeBlob');
  return {
    ...identityOf(reader.member('id').bytes(16, 255), reader.member('rpId').name(), reader.optional('rpName'), {
      id: user.member('id').bytes(1, 64),
      name: user.optional('name'),
      displayName: user.optional('displayName'),
    }),
    createdAt: reader.member('createdAt').date(),
    ...readJwk(reader.member('key')),
    credProtect: reader.member('credProtect').oneOf([1, 2, 3]),
    credRandom: {
      withUV: credRandom.member('withUV').bytes(32, 32),
      withoutUV: credRandom.member('withoutUV').bytes(32, 32),
    },
    thirdPartyPayment: reader.member('thirdPartyPayment').boolean(),
    ...optional('credBlob', reader.optional('credBlob')?.bytes(0, defaultPolicy.maxCredBlobLength)),
    ...optional('largeBlobKey', reader.optional('largeBlobKey')?.bytes(32, 32)),
    ...optional(
      'largeBlob',
      largeBlob && {
        uncompressedSize: largeBlob.member('uncompressedSize').unsigned(),
        data: largeBlob.member('data').bytes(1),
      },
    ),
  };
}

/** Whose credential it is, as every format has it. Long names are cut as in a registration. @throws UserError */
export function identityOf(
  id: Uint8Array,
  rpId: string,
  rpName: JsonReader | undefined,
  user: { id: Uint8Array; name: JsonReader | undefined; displayName: JsonReader | undefined },
): Pick<PortableCredential, 'id' | 'rpId' | 'rpIdHash' | 'rpName' | 'user' | 'kind'> {
  return {
    id,
    rpId,
    rpIdHash: openssl.sha256(Buffer.from(rpId)),
    ...optionalName('rpName', rpName),
    user: {
      id: user.id,
      ...optionalName('name', user.name),
      ...optionalName('displayName', user.displayName),
    },
    kind: 'synced',
  };
}

function optionalName<K extends string>(key: K, name: JsonReader | undefined): { [P in K]?: string } {
  return optional(key, truncate(name?.text() ?? '', defaultPolicy.maxNameBytes) || undefined);
}

/** `{[key]: value}`, or nothing. */
export function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
