// The independent client's U2F: APDUs as plain bytes, and the verification of what comes back.
// It knows only the specification.

import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { imported, type PublicKey } from './public-key.ts';

/** An APDU in the extended encoding, as hosts send it over HID. */
export function apdu(ins: number, p1: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  return Buffer.concat([Buffer.of(0, ins, p1, 0, 0, data.length >> 8, data.length & 0xff), data, Buffer.of(0, 0)]);
}

export function registerApdu(challenge: Uint8Array, application: Uint8Array): Uint8Array {
  return apdu(0x01, 0x00, Buffer.concat([challenge, application]));
}

export function authenticateApdu(
  control: number,
  challenge: Uint8Array,
  application: Uint8Array,
  keyHandle: Uint8Array,
): Uint8Array {
  return apdu(0x02, control, Buffer.concat([challenge, application, Buffer.of(keyHandle.length), keyHandle]));
}

/** The status word and what stands before it. */
export function parseApduResponse(bytes: Uint8Array): { word: number; data: Uint8Array } {
  const end = bytes.length - 2;
  return { word: Buffer.from(bytes).readUInt16BE(end), data: bytes.subarray(0, end) };
}

/** Verifies a U2F registration response under the certificate that it carries. */
export function verifyU2fRegistration(data: Uint8Array, challenge: Uint8Array, application: Uint8Array) {
  if (data[0] !== 0x05) throw new Error('reserved byte is not 05');
  const point = data.subarray(1, 66);
  const handleEnd = 67 + (data[66] ?? 0);
  const keyHandle = data.subarray(67, handleEnd);
  const certificateLength = Buffer.from(data).readUInt16BE(handleEnd + 2) + 4;
  const certificate = new X509Certificate(data.subarray(handleEnd, handleEnd + certificateLength));
  const signature = data.subarray(handleEnd + certificateLength);
  const signed = Buffer.concat([Buffer.of(0), application, challenge, keyHandle, point]);
  if (!verify('sha256', signed, certificate.publicKey, signature)) throw new Error('signature does not verify');
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => Buffer.from(half).toString('base64url'));
  if (x === undefined || y === undefined || point[0] !== 0x04) throw new Error('no point');
  const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  return { keyHandle, publicKey: imported(-7, key, 'sha256'), certificate };
}

/** Verifies a U2F authentication response. */
export function verifyU2fAuthentication(
  data: Uint8Array,
  challenge: Uint8Array,
  application: Uint8Array,
  publicKey: PublicKey,
) {
  const signed = Buffer.concat([application, data.subarray(0, 5), challenge]);
  if (!publicKey.verify(signed, data.subarray(5))) throw new Error('signature does not verify');
  return { presence: data[0], counter: Buffer.from(data).readUInt32BE(1) };
}
