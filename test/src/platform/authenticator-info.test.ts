import { expect, it } from 'vitest';
import { type CborValue, encodeCbor } from '../../../ctap/cbor.ts';
import { decodeInfo } from '../../../src/platform/authenticator-info.ts';

// From the tests of python-fido2 (BSD-2-Clause), tests/test_ctap2.py.
const vector = Buffer.from(
  'a60182665532465f5632684649444f5f325f3002826375766d6b686d61632d7365637265740350f8a011f38c0a4d15800617111f9edc7d' +
    '04a462726bf5627570f564706c6174f469636c69656e7450696ef4051904b0068101',
  'hex',
);

it('decodes what a key of CTAP 2.0 says about itself', () => {
  const info = decodeInfo(vector);

  expect(info).toMatchObject({
    versions: ['U2F_V2', 'FIDO_2_0'],
    extensions: ['uvm', 'hmac-secret'],
    maxMsgSize: 1200,
    pinUvAuthProtocols: [1],
  });
  expect(Buffer.from(info.aaguid).toString('hex')).toBe('f8a011f38c0a4d15800617111f9edc7d');
  expect(Object.fromEntries(info.options)).toEqual({ rk: true, up: true, plat: false, clientPin: false });
  expect(info.transports).toBeUndefined();
});

it('decodes every member that CTAP 2.3 knows, in the order of their keys', () => {
  const bytes = new Uint8Array(32).fill(7);
  const members: CborValue[] = [
    ['FIDO_2_3'],
    ['credProtect'],
    bytes.subarray(0, 16),
    new Map([['rk', true]]),
    7609,
    [2, 1],
    64,
    255,
    ['usb', 'nfc'],
    [
      new Map<string, CborValue>([
        ['alg', -7],
        ['type', 'public-key'],
      ]),
    ],
    1024,
    true,
    4,
    3,
    32,
    0,
    5,
    2,
    new Map([['FIDO', 1]]),
    99,
    [0x1234],
    ['packed'],
    6,
    false,
    bytes,
    ['usb'],
    true,
    Buffer.from('https://example.com/pin'),
    63,
    bytes,
    [2, 3],
  ];

  const info = decodeInfo(encodeCbor(new Map(members.map((member, index) => [index + 1, member]))));

  expect(Object.values(info)).toEqual([
    ...members.slice(0, 9),
    [{ type: 'public-key', alg: -7 }],
    ...members.slice(10, 27),
    'https://example.com/pin',
    ...members.slice(28),
  ]);
});

it('fills in the message size that every key takes', () => {
  const info = decodeInfo(
    encodeCbor(
      new Map<number, CborValue>([
        [1, ['FIDO_2_0']],
        [3, new Uint8Array(16)],
      ]),
    ),
  );

  expect(info.maxMsgSize).toBe(1024);
  expect(info.options.size).toBe(0);
});

it.each([
  ['without versions', new Map<number, CborValue>([[3, new Uint8Array(16)]])],
  [
    'with an option that is no boolean',
    new Map<number, CborValue>([
      [1, []],
      [3, new Uint8Array(16)],
      [4, new Map([['rk', 1]])],
    ]),
  ],
])('refuses an answer %s', (_, members) => {
  expect(() => decodeInfo(encodeCbor(members))).toThrow(expect.objectContaining({ name: 'CtapError' }));
});
