// The CTAP2 requests that are measured, ready to send.

import { createHash } from 'node:crypto';
import { type CborValue, decodeCbor, encodeCbor } from '../ctap/cbor.ts';

const rpId = 'bench.example';
const clientDataHash = createHash('sha256').update('client data').digest();

export const getInfo = Uint8Array.of(0x04);

/** authenticatorMakeCredential; a discoverable one replaces the one before, so that the vault does not grow. */
export function makeCredential(discoverable: boolean): Uint8Array {
  return request(0x01, [
    [1, clientDataHash],
    [2, new Map([['id', rpId]])],
    [
      3,
      new Map<string, CborValue>([
        ['id', Buffer.from('user')],
        ['name', 'alice'],
      ]),
    ],
    [
      4,
      [
        new Map<string, CborValue>([
          ['alg', -7],
          ['type', 'public-key'],
        ]),
      ],
    ],
    [7, new Map([['rk', discoverable]])],
  ]);
}

/** authenticatorGetAssertion, with an allow list of one id or for whatever is discoverable. */
export function getAssertion(allowedId?: Uint8Array): Uint8Array {
  const allowList: [number, CborValue][] = allowedId
    ? [
        [
          3,
          [
            new Map<string, CborValue>([
              ['id', allowedId],
              ['type', 'public-key'],
            ]),
          ],
        ],
      ]
    : [];
  return request(0x02, [[1, rpId], [2, clientDataHash], ...allowList]);
}

/** The credential id in an authenticatorMakeCredential answer. @throws Error if the key refused */
export function credentialId(answer: Uint8Array): Uint8Array {
  if (answer[0] !== 0) throw new Error(`the key answered with status ${answer[0]}`);
  const authData = (decodeCbor(answer.subarray(1)) as Map<number, Uint8Array>).get(2) ?? new Uint8Array();
  const length = Buffer.from(authData).readUInt16BE(53);
  return authData.subarray(55, 55 + length);
}

function request(command: number, members: [number, CborValue][]): Uint8Array {
  return Buffer.concat([Uint8Array.of(command), encodeCbor(new Map(members))]);
}
