// The byte layout of docs/store-format.md as vectors made with this code; each broken form is the good one with one
// byte changed.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../../ctap/cbor.ts';
import { factoryDeviceState } from '../../ctap/device-state.ts';
import { decodeHeader, encodeHeader } from '../../store/header.ts';
import {
  decodeCounter,
  decodeCredential,
  decodeDevice,
  encodeCounter,
  encodeCredential,
  encodeDevice,
} from '../../store/records.ts';
import { deriveKeys, nameOf, openRecord, sealRecord } from '../../store/seal.ts';
import { createPassphraseSlot, openSlots } from '../../store/slots.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const filled = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const code = (value: string) => expect.objectContaining({ code: value });

function flips(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte, index) => bytes.with(index, byte ^ 0x40));
}

function refusalOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('sealed records', () => {
  const keys = deriveKeys(filled(1));
  const recordKey = Uint8Array.of(0x10, 1, 2, 3);
  const sealed = sealRecord(keys.seal, recordKey, filled(7, 5), filled(9, 24));

  it('keep their bytes', () => {
    expect(hex(keys.seal)).toMatchInlineSnapshot(`"856fccdfef1bca7ce6bb5465e41a921b5ef0e24acc86bc62359b8b9702934ee3"`);
    expect(hex(keys.names)).toMatchInlineSnapshot(`"44f6604f7caea9af5cb5047f91cf027efc52962e9f6ddd312d650d512fbb62f8"`);
    expect(hex(sealed)).toMatchInlineSnapshot(
      `"01090909090909090909090909090909090909090909090909d6892cb8e31c51ffb093421ec3bbe6eafebd1b4439"`,
    );
    expect(hex(nameOf(keys.names, 'rpIdHash', filled(2)))).toMatchInlineSnapshot(`"3b5f497b44cde4a5a0ed047d8bbf2083"`);
    expect(hex(nameOf(keys.names, 'credentialId', filled(2)))).toMatchInlineSnapshot(
      `"971ca246ed347f82022cbfd1ee034fc0"`,
    );
  });

  it('open to what was sealed, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array({ minLength: 1, maxLength: 33 }), (plaintext, key) => {
        expect(hex(openRecord(keys.seal, key, sealRecord(keys.seal, key, plaintext)))).toBe(hex(plaintext));
      }),
    );
  });

  it('are refused with any byte changed, in another place, or cut short', () => {
    const [version, ...others] = flips(sealed);
    expect(refusalOf(() => openRecord(keys.seal, recordKey, version ?? filled(0)))).toEqual(code('newer-format'));
    for (const bad of others) expect(refusalOf(() => openRecord(keys.seal, recordKey, bad))).toEqual(code('corrupt'));
    for (const place of flips(recordKey)) {
      expect(refusalOf(() => openRecord(keys.seal, place, sealed))).toEqual(code('corrupt'));
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(refusalOf(() => openRecord(keys.seal, recordKey, sealed.subarray(0, length)))).toEqual(code('corrupt'));
    }
  });
});

describe('records', () => {
  const device = factoryDeviceState((length) => filled(3, length));
  const pin = { salt: filled(4, 16), verifier: filled(5), codePointLength: 6 };
  const deviceWithPin = { ...device, pin, minPinLengthRPIDs: ['example.org'], persistentPinUvAuthToken: filled(6) };

  it('keep their bytes', () => {
    expect(hex(encodeCounter(1000))).toMatchInlineSnapshot(`"a1011903e8"`);
    expect(hex(encodeDevice(device))).toMatchInlineSnapshot(
      `"ae01582003030303030303030303030303030303030303030303030303030303030303030508060507f4080409800af40bf40cf40df40e518076be8b528d0075f7aae98d6fa57a6d3c1050030303030303030303030303030303031150030303030303030303030303030303031200"`,
    );
    expect(hex(encodeCredential(sampleCredential(1)))).toMatchInlineSnapshot(
      `"af0158200101010101010101010101010101010101010101010101010101010101010101025820aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa032604582065656565656565656565656565656565656565656565656565656565656565650558413333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333066b6578616d706c652e6f726707704578616d706c6520e2809320f09f949108430100ff096575736572310a675573c3a97220310b1b0000019b76daa8010c000d010e5840020202020202020202020202020202020202020202020202020202020202020203030303030303030303030303030303030303030303030303030303030303030ff4"`,
    );
  });

  it('come back as they were', () => {
    expect(decodeCounter(encodeCounter(0xffff_ffff))).toBe(0xffff_ffff);
    expect(decodeDevice(encodeDevice(device))).toEqual(device);
    expect(decodeDevice(encodeDevice(deviceWithPin))).toEqual(deviceWithPin);
    expect(decodeCredential(encodeCredential(sampleCredential(1)))).toEqual(sampleCredential(1));
  });

  it('keep members of a newer version when they are rewritten, and drop known ones that are gone', () => {
    const newer = encodeCbor(
      new Map<number, string>([
        [7, 'old name'],
        [99, 'from later'],
      ]),
    );
    const { rpName: _, ...credential } = sampleCredential(1);
    const rewritten = encodeCredential(credential, newer);
    expect(Buffer.from(rewritten).includes('from later')).toBe(true);
    expect(decodeCredential(rewritten)).toEqual(credential);
  });

  it('are refused where a member is missing or of another type', () => {
    for (const bad of [filled(0, 0), encodeCbor([]), encodeCbor(new Map()), encodeCbor(new Map([[1, 'text']]))]) {
      for (const decode of [decodeCredential, decodeDevice, decodeCounter]) {
        expect(refusalOf(() => decode(bad))).toEqual(code('corrupt'));
      }
    }
  });
});

describe('the header and its slots', () => {
  const makeSlot = (passphrase: string) =>
    createPassphraseSlot(filled(1), passphrase, 2, (length) => filled(5, length));

  it('keep their bytes', async () => {
    expect(hex(encodeHeader([await makeSlot('correct horse')]))).toMatchInlineSnapshot(
      `"70617373666f62000001a10181a6016a70617373706872617365025848050505050505050505050505050505050505050505050505a9c93e30f69522303013147b41eab28181a4a38a1e79211ef22de3ffef13651959037f077a28316f0699610585ea27470358200505050505050505050505050505050505050505050505050505050505050505040205080601efd6ac91ef509296c808ea0b99ce79f624d6ffe4b0db3858534b86ebfabe2ee0"`,
    );
  });

  it('give the root key to each passphrase that has a slot', async () => {
    const slots = decodeHeader(
      encodeHeader([new Map([[1, 'of a later kind']]), await makeSlot('one'), await makeSlot('two')]),
    );
    expect(hex(await openSlots(slots, { passphrase: 'two' }))).toBe(hex(filled(1)));
    await expect(openSlots(slots, { passphrase: 'three' })).rejects.toEqual(code('wrong-passphrase'));
  });

  it('are refused with any byte changed', async () => {
    for (const [index, bad] of flips(encodeHeader([await makeSlot('one')])).entries()) {
      expect(refusalOf(() => decodeHeader(bad))).toEqual(code(index < 8 ? 'foreign' : 'corrupt'));
    }
  });

  it('are refused when a slot asks for a cost out of bounds', async () => {
    const greedy = new Map(await makeSlot('one')).set(4, 40);
    expect(refusalOf(() => decodeHeader(encodeHeader([greedy])))).toEqual(code('corrupt'));
  });

  it('are told apart from those of a newer format', async () => {
    const { createHash } = await import('node:crypto');
    const body = encodeHeader([]).slice(0, -32).with(9, 2);
    const newer = Buffer.concat([body, createHash('sha256').update(body).digest()]);
    expect(refusalOf(() => decodeHeader(newer))).toEqual(code('newer-format'));
  });
});
