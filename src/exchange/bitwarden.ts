// Bitwarden's unencrypted JSON export: items, of which logins may have passkeys in `fido2Credentials`. Credential ids are
// UUIDs where they have 16 bytes, otherwise "b64." and base64url; keys are PKCS#8 DER in base64url.

import { randomUUID } from 'node:crypto';
import { algorithmName } from '../../ctap/cose.ts';
import { CoseAlg } from '../../ctap/wire.ts';
import { UserError } from '../errors.ts';
import { base64url } from '../jwk.ts';
import { type CredentialKey, pkcs8, readPkcs8 } from './credential-key.ts';
import { type ExchangeFormat, importedCredential, websiteOf } from './format.ts';
import type { JsonReader } from './json-reader.ts';
import { identityOf, type PortableCredential } from './portable.ts';

const login = 1;
const keyKind = { keyType: 'public-key', keyAlgorithm: 'ECDSA', keyCurve: 'P-256' } as const;
const rawIdPrefix = 'b64.';
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export const bitwarden: ExchangeFormat = {
  title: 'Bitwarden JSON export',
  fits: (document) => 'encrypted' in document,
  read(document) {
    if (document.member('encrypted').boolean()) {
      throw new UserError(
        'this Bitwarden export is encrypted, which only Bitwarden opens',
        'export it again in the format ".json"; nothing was changed',
      );
    }
    const items = document.member('items').items();
    const passkeys = items.map((item) => item.optional('login')?.optional('fido2Credentials')?.items() ?? []);
    const all = passkeys.flat();
    return {
      credentials: all.map(readPasskey),
      passedOver: passkeys.filter((each) => each.length === 0).length,
      counted: all.filter((passkey) => (passkey.optional('counter')?.count() ?? 0) > 0).length,
    };
  },
  write: (credentials) => ({ encrypted: false, folders: [], items: credentials.map(itemOf) }),
};

function readPasskey(passkey: JsonReader): PortableCredential {
  const identity = identityOf(
    readId(passkey.member('credentialId')),
    passkey.member('rpId').domain(),
    passkey.optional('rpName'),
    {
      id: passkey.member('userHandle').bytes(1, 64),
      name: passkey.optional('userName'),
      displayName: passkey.optional('userDisplayName'),
    },
  );
  return importedCredential(identity, readKey(passkey), passkey.optional('creationDate')?.date());
}

/** Of the only kind that the format has. */
function readKey(passkey: JsonReader): CredentialKey {
  for (const [member, value] of Object.entries(keyKind)) passkey.optional(member)?.oneOf([value]);
  const reader = passkey.member('keyValue');
  const key = readPkcs8(reader);
  const isEs256 = key.algorithm === CoseAlg.ES256;
  return isEs256 ? key : reader.refuse('a key for ECDSA with P-256', algorithmName(key.algorithm));
}

function readId(reader: JsonReader): Uint8Array {
  const text = reader.text();
  if (text.startsWith(rawIdPrefix)) return reader.as(text.slice(rawIdPrefix.length)).bytes(16, 255);
  if (!uuid.test(text)) return reader.refuse('a UUID, or "b64." and base64url');
  return new Uint8Array(Buffer.from(text.replaceAll('-', ''), 'hex'));
}

function writeId(id: Uint8Array): string {
  if (id.length !== 16) return `${rawIdPrefix}${base64url(id)}`;
  return Buffer.from(id)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function itemOf(credential: PortableCredential): unknown {
  const { rpName, user, algorithm } = credential;
  const rpId = websiteOf(credential);
  if (algorithm !== CoseAlg.ES256) {
    throw new UserError(
      `Bitwarden has ES256 only, and the passkey of ${rpId} is ${algorithmName(algorithm)}`,
      '--format cxf takes it; with IDs or --rp others can go alone',
    );
  }
  const creationDate = new Date(credential.createdAt).toISOString();
  return {
    passwordHistory: null,
    revisionDate: creationDate,
    creationDate,
    deletedDate: null,
    id: randomUUID(),
    organizationId: null,
    folderId: null,
    type: login,
    reprompt: 0,
    name: rpName ?? rpId,
    notes: null,
    favorite: false,
    login: {
      fido2Credentials: [
        {
          credentialId: writeId(credential.id),
          ...keyKind,
          keyValue: base64url(pkcs8(credential)),
          rpId,
          userHandle: base64url(user.id),
          userName: user.name ?? null,
          counter: '0',
          rpName: rpName ?? null,
          userDisplayName: user.displayName ?? null,
          discoverable: 'true',
          creationDate,
        },
      ],
      uris: [{ match: null, uri: `https://${rpId}` }],
      username: user.name ?? null,
      password: null,
      totp: null,
    },
    collectionIds: null,
  };
}
