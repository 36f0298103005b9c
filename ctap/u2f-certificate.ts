// The attestation certificate that a U2F registration must carry: X.509, made for this one registration and signed by
// the new credential's own key, so that it says nothing and nobody can be recognised by it. Only as much DER as that
// takes. FIDO U2F Raw Message Formats §4.3; RFC 5280 §4.1.

import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Crypto, KeyPair } from './env.ts';
import { CoseAlg } from './wire.ts';

const Tag = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OBJECT_IDENTIFIER: 0x06,
  UTF8_STRING: 0x0c,
  UTC_TIME: 0x17,
  SEQUENCE: 0x30,
  SET: 0x31,
  CONTEXT_0: 0xa0,
} as const;

const objectIdentifier = (hex: string) => der(Tag.OBJECT_IDENTIFIER, hexToBytes(hex));
const ecdsaWithSha256 = der(Tag.SEQUENCE, objectIdentifier('2a8648ce3d040302'));
const p256PublicKey = der(Tag.SEQUENCE, objectIdentifier('2a8648ce3d0201'), objectIdentifier('2a8648ce3d030107'));
const commonName = objectIdentifier('550403');
const version3 = der(Tag.CONTEXT_0, der(Tag.INTEGER, Uint8Array.of(2)));
const name = der(
  Tag.SEQUENCE,
  der(Tag.SET, der(Tag.SEQUENCE, commonName, der(Tag.UTF8_STRING, utf8ToBytes('passfob U2F self attestation')))),
);
/** The same for everybody and longer than any use: the time of registration is nobody's business. */
const validity = der(
  Tag.SEQUENCE,
  der(Tag.UTC_TIME, utf8ToBytes('200101000000Z')),
  der(Tag.UTC_TIME, utf8ToBytes('491231235959Z')),
);

/** A self-signed certificate of an ES256 key pair, DER. */
export function selfSignedCertificate(crypto: Crypto, keyPair: KeyPair): Uint8Array {
  const certificate = der(
    Tag.SEQUENCE,
    version3,
    serialNumber(crypto, keyPair.publicKey),
    ecdsaWithSha256,
    name,
    validity,
    name,
    der(Tag.SEQUENCE, p256PublicKey, bitString(keyPair.publicKey)),
  );
  return der(Tag.SEQUENCE, certificate, ecdsaWithSha256, bitString(crypto.sign(CoseAlg.ES256, keyPair, certificate)));
}

/** 16 bytes of the key's hash: another number for another key, positive and of one length. RFC 5280 §4.1.2.2. */
function serialNumber(crypto: Crypto, publicKey: Uint8Array): Uint8Array {
  const serial = crypto.sha256(publicKey).slice(0, 16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return der(Tag.INTEGER, serial);
}

function bitString(bytes: Uint8Array): Uint8Array {
  return der(Tag.BIT_STRING, Uint8Array.of(0), bytes);
}

/** Tag, length and contents; contents of at most 65,535 bytes. */
function der(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const value = concatBytes(...contents);
  const { length } = value;
  if (length < 0x80) return concatBytes(Uint8Array.of(tag, length), value);
  if (length < 0x100) return concatBytes(Uint8Array.of(tag, 0x81, length), value);
  return concatBytes(Uint8Array.of(tag, 0x82, length >> 8, length & 0xff), value);
}
