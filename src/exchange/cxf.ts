// The Credential Exchange Format of the FIDO Alliance, version 1.0: accounts with items with credentials, of which
// those of type "passkey" are ours. All binary members are base64url, keys PKCS#8 DER, times seconds since 1970.

import { randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { defaultPolicy } from '../../ctap/policy.ts';
import { base64url } from '../jwk.ts';
import { createOpensslCrypto } from '../openssl.ts';
import { pkcs8, readPkcs8 } from './credential-key.ts';
import { type ExchangeFormat, importedCredential, websiteOf } from './format.ts';
import type { JsonReader } from './json-reader.ts';
import { identityOf, type LargeBlob, optional, type PortableCredential } from './portable.ts';

const major = 1;
const hmacAlgorithm = 'hmac-sha256';
/** No large blob unfolds to more. */
const maxUncompressedBytes = 16 * 1024 * 1024;

const openssl = createOpensslCrypto();

export const cxf: ExchangeFormat = {
  title: 'FIDO Credential Exchange Format',
  fits: (document) => 'accounts' in document && 'version' in document,
  read(document) {
    document.member('version').member('major').oneOf([major]);
    const items = document
      .member('accounts')
      .items()
      .flatMap((account) => account.member('items').items());
    const credentials = items.flatMap((item) =>
      item
        .member('credentials')
        .items()
        .map((credential) => ({ item, credential, type: credential.member('type').text() })),
    );
    const passkeys = credentials.filter(({ type }) => type === 'passkey');
    return {
      credentials: passkeys.map(({ item, credential }) => readPasskey(item, credential)),
      passedOver: credentials.length - passkeys.length,
      counted: 0,
    };
  },
  write: (credentials) => ({
    version: { major, minor: 0 },
    // There is no website of this program.
    exporterRpId: 'passfob.invalid',
    exporterDisplayName: 'passfob',
    timestamp: Math.floor(Date.now() / 1000),
    accounts: [
      { id: base64url(randomBytes(16)), username: '', email: '', collections: [], items: credentials.map(itemOf) },
    ],
  }),
};

function readPasskey(item: JsonReader, passkey: JsonReader): PortableCredential {
  const rpId = passkey.member('rpId').domain();
  const title = item.optional('title');
  const identity = identityOf(
    passkey.member('credentialId').bytes(16, 255),
    rpId,
    // A title is always there; one that says nothing more is no name.
    title?.text() === rpId ? undefined : title,
    {
      id: passkey.member('userHandle').bytes(1, 64),
      name: passkey.optional('username'),
      displayName: passkey.optional('userDisplayName'),
    },
  );
  const extensions = passkey.optional('fido2Extensions');
  return importedCredential(
    identity,
    readPkcs8(passkey.member('key')),
    item.optional('creationAt')?.seconds(),
    extensions && readExtensions(extensions),
  );
}

function readExtensions(extensions: JsonReader) {
  const hmac = extensions.optional('hmacCredentials');
  hmac?.member('algorithm').oneOf([hmacAlgorithm]);
  const largeBlob = extensions.optional('largeBlob');
  return {
    ...(hmac && {
      credRandom: {
        withUV: hmac.member('credWithUV').bytes(32, 32),
        withoutUV: hmac.member('credWithoutUV').bytes(32, 32),
      },
    }),
    ...optional('credBlob', extensions.optional('credBlob')?.bytes(0, defaultPolicy.maxCredBlobLength)),
    ...(largeBlob && { largeBlob: readLargeBlob(largeBlob) }),
    ...optional('thirdPartyPayment', extensions.optional('payments')?.boolean()),
  };
}

/** Compressed, as the large-blob array has it; some write it uncompressed, which its size tells. */
function readLargeBlob(reader: JsonReader): LargeBlob {
  const size = reader.member('uncompressedSize');
  const uncompressedSize = size.unsigned();
  if (uncompressedSize > maxUncompressedBytes) size.refuse(`at most ${maxUncompressedBytes}`, `${uncompressedSize}`);
  const data = reader.member('data').bytes(0);
  if (inflatedLength(data, uncompressedSize) === uncompressedSize) return { uncompressedSize, data };
  if (data.length === uncompressedSize) return { uncompressedSize, data: new Uint8Array(deflateRawSync(data)) };
  return reader.member('data').refuse(`${uncompressedSize} bytes, also after DEFLATE`, 'another size');
}

function inflatedLength(data: Uint8Array, maxLength: number): number | undefined {
  try {
    return inflateRawSync(data, { maxOutputLength: Math.max(maxLength, 1) }).length;
  } catch {
    return undefined; // not compressed, or longer
  }
}

function itemOf(credential: PortableCredential): unknown {
  const { rpName, user, credRandom, credBlob, largeBlob, thirdPartyPayment } = credential;
  const rpId = websiteOf(credential);
  return {
    id: base64url(openssl.sha256(credential.id).subarray(0, 16)),
    creationAt: Math.floor(credential.createdAt / 1000),
    title: rpName ?? rpId,
    scope: { urls: [`https://${rpId}`], androidApps: [] },
    credentials: [
      {
        type: 'passkey',
        credentialId: base64url(credential.id),
        rpId,
        username: user.name ?? '',
        userDisplayName: user.displayName ?? '',
        userHandle: base64url(user.id),
        key: base64url(pkcs8(credential)),
        fido2Extensions: {
          hmacCredentials: {
            algorithm: hmacAlgorithm,
            credWithUV: base64url(credRandom.withUV),
            credWithoutUV: base64url(credRandom.withoutUV),
          },
          ...(credBlob && { credBlob: base64url(credBlob) }),
          ...(largeBlob && { largeBlob: { ...largeBlob, data: base64url(largeBlob.data) } }),
          ...(thirdPartyPayment && { payments: true }),
        },
      },
    ],
  };
}
