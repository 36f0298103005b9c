// The byte layout of docs/store-format.md as vectors made with this code; each broken form is the good one with one
// byte changed.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCbor } from '../../ctap/cbor.ts';
import { factoryDeviceState } from '../../ctap/device-state.ts';
import { checkAuthentication, decodeHeader, encodeHeader } from '../../store/header.ts';
import {
  decodeCounter,
  decodeCredential,
  decodeDevice,
  encodeCounter,
  encodeCredential,
  encodeDevice,
} from '../../store/records.ts';
import { deriveKeys, nameOf, openRecord, sealRecord } from '../../store/seal.ts';
import { slotKeyOf, type Unlock } from '../../store/slot-keys.ts';
import { rewrapRootKey, type Slot, unwrapRootKey, wrapRootKey } from '../../store/slots.ts';
import { openSlots } from '../../store/unlock.ts';
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
    // Its version as well: one of a later passfob stands under a header that is refused before.
    for (const bad of flips(sealed)) {
      expect(refusalOf(() => openRecord(keys.seal, recordKey, bad))).toEqual(code('corrupt'));
    }
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
    expect(hex(encodeDevice(device, 3))).toMatchInlineSnapshot(
      `"af01582003030303030303030303030303030303030303030303030303030303030303030508060507f4080409800af40bf40cf40df40e518076be8b528d0075f7aae98d6fa57a6d3c10500303030303030303030303030303030311500303030303030303030303030303030312001303"`,
    );
    expect(hex(encodeCredential(sampleCredential(1)))).toMatchInlineSnapshot(
      `"af0158200101010101010101010101010101010101010101010101010101010101010101025820aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa032604582065656565656565656565656565656565656565656565656565656565656565650558413333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333066b6578616d706c652e6f726707704578616d706c6520e2809320f09f949108430100ff096575736572310a675573c3a97220310b1b0000019b76daa8010c000d010e5840020202020202020202020202020202020202020202020202020202020202020203030303030303030303030303030303030303030303030303030303030303030ff4"`,
    );
  });

  it('come back as they were', () => {
    expect(decodeCounter(encodeCounter(0xffff_ffff))).toBe(0xffff_ffff);
    expect(decodeDevice(encodeDevice(device, 3))).toEqual({ state: device, credentialCount: 3 });
    expect(decodeDevice(encodeDevice(deviceWithPin, 0)).state).toEqual(deviceWithPin);
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
  const rootKey = filled(1);
  const makeHeader = (slots: readonly Slot[]) =>
    encodeHeader({ slots, generation: 0, previousKey: undefined }, rootKey);

  async function makeSlot(kind: string, unlock: Unlock): Promise<Slot> {
    const draft = new Map<number, string | number | Uint8Array>([
      [1, kind],
      [3, filled(5)],
      [7, filled(6, 4)],
      [10, 1_767_225_600_000],
    ]);
    if (kind === 'passphrase') for (const [key, value] of [4, 8, 1].entries()) draft.set(4 + key, value);
    const slotKey = await slotKeyOf(draft, unlock);
    if (!slotKey) throw new Error('the slot is of another kind');
    return wrapRootKey(draft, slotKey, rootKey, (length) => filled(5, length));
  }
  const withPassphrase = (passphrase: string) => makeSlot('passphrase', { passphrase });

  it('keep their bytes', async () => {
    expect(hex(makeHeader([await withPassphrase('correct horse')]))).toMatchInlineSnapshot(
      `"70617373666f62000002a30181a9016a706173737068726173650258480505050505050505050505050505050505050505050505058b463c0aa1cff7b8590c0af9899adc13a41e6b7edc88e377d976e7068d4acf19bad9f4e2861853130c01b5835002ec1503582005050505050505050505050505050505050505050505050505050505050505050404050806010744060606060858200c582d7a8c7dac244fd0ac66b138d0ddcc3b6b1c3bc0b342bbbcb3717fba49420a1b0000019b76daa8000200045820d484acc816676c15a0f7a405f53f6cd72b0986069adf7aeac3268725d7169478e2f8da1b7877f1bba6c0e397defa3f28d6720a40ae4a4945fe49cb9e56e14976"`,
    );
    const others = [
      await makeSlot('key-file', { keyFile: filled(2) }),
      await makeSlot('recovery-phrase', { recoveryPhrase: `${'abandon '.repeat(23)}art` }),
      await makeSlot('keyring', { secret: filled(2), of: '06060606' }),
      await makeSlot('systemd-creds', { secret: filled(2), of: '06060606' }),
    ];
    expect(others.map((slot) => hex(slot.get(2) as Uint8Array))).toMatchInlineSnapshot(`
      [
        "050505050505050505050505050505050505050505050505f5a9c7cff510215f2940e459f591aa2aef219d41c510b921132a892f8c371d29449610867b1e16becffddcf658ee5c30",
        "050505050505050505050505050505050505050505050505aac8c62620c4400ef3e8e65af44c2563be2f2219f22c76fc57c8f107cd27d772e99d174397a2b3e3e4677d278c6175e0",
        "050505050505050505050505050505050505050505050505e170c8cd985b815bf229891bb5f5196dbec3e2682735d5f8632c11ad7538f82b16a67b42559e6a74653b09fb912dfd6e",
        "05050505050505050505050505050505050505050505050516e7b46db61e1b7664042b1d4d06426d6d36525c602d759918541ddb2a5b381f02937ac7cf52eeabbbb2f885434a400a",
      ]
    `);
    const [rewrapped] = others.map((slot) => rewrapRootKey(slot, filled(9), (length) => filled(8, length)));
    expect(hex(encodeCbor(rewrapped ?? null))).toMatchInlineSnapshot(
      `"a701686b65792d66696c65025848080808080808080808080808080808080808080808080808ec607cf9251207be5da298931d52b56ae00cf59ea1d1d4d96c81ae09ecae961cd7737a9fb354915cb9071735a24ffc1e0358200505050505050505050505050505050505050505050505050505050505050505074406060606085820cc7dfa15c07b18d7303a5917caba60809b88903a1195b4558e6d5f1c8850f71d09582031d4ab6aceec961137917037936e60716fac573afe94d9da84a8020448dfc1120a1b0000019b76daa800"`,
    );
  });

  it('give the root key to each passphrase that has a slot', async () => {
    const later = new Map(await withPassphrase('three')).set(1, 'of a later kind');
    const header = decodeHeader(makeHeader([later, await withPassphrase('one'), await withPassphrase('two')]));
    expect(hex((await openSlots(header, { passphrase: 'two' })).rootKey)).toBe(hex(rootKey));
    await expect(openSlots(header, { passphrase: 'three' })).rejects.toEqual(code('wrong-passphrase'));
  });

  it('give the new root key to the same slot key after a rekeying, and to no other', async () => {
    const slot = await makeSlot('key-file', { keyFile: filled(2) });
    const rewrapped = rewrapRootKey(slot, filled(9));
    const slotKey = (await slotKeyOf(slot, { keyFile: filled(2) })) ?? filled(0);
    expect(unwrapRootKey(rewrapped, slotKey)).toEqual(filled(9));
    expect(unwrapRootKey(rewrapped, filled(3))).toBeUndefined();
    expect(unwrapRootKey(new Map(rewrapped).set(9, filled(0)), slotKey)).toBeUndefined();
  });

  it('do not open with any byte of a slot changed', async () => {
    const slot = await makeSlot('key-file', { keyFile: filled(2) });
    const slotKey = (await slotKeyOf(slot, { keyFile: filled(2) })) ?? filled(0);
    for (const [member, value] of slot) {
      if (!(value instanceof Uint8Array)) continue;
      for (const bad of flips(value)) expect(unwrapRootKey(new Map(slot).set(member, bad), slotKey)).toBeUndefined();
    }
  });

  it('are refused with any byte changed', async () => {
    for (const [index, bad] of flips(makeHeader([await withPassphrase('one')])).entries()) {
      expect(refusalOf(() => decodeHeader(bad))).toEqual(code(index < 8 ? 'foreign' : 'corrupt'));
    }
  });

  it('are refused when a slot asks for a cost out of bounds', async () => {
    const greedy = new Map(await withPassphrase('one')).set(4, 40);
    expect(refusalOf(() => decodeHeader(makeHeader([greedy])))).toEqual(code('corrupt'));
  });

  it('are refused by who has the root key when somebody without it wrote them', async () => {
    const slots = [await withPassphrase('one')];
    const forged = decodeHeader(encodeHeader({ slots, generation: 0, previousKey: undefined }, filled(2)));
    expect(refusalOf(() => checkAuthentication(forged, rootKey))).toEqual(code('corrupt'));
    expect(refusalOf(() => checkAuthentication({ ...forged, generation: 1 }, filled(2)))).toEqual(code('corrupt'));
    expect(refusalOf(() => checkAuthentication(forged, filled(2)))).toBeUndefined();
  });

  it('are told apart from those of a newer format', async () => {
    const { createHash } = await import('node:crypto');
    const body = makeHeader([]).slice(0, -32).with(9, 3);
    const newer = Buffer.concat([body, createHash('sha256').update(body).digest()]);
    expect(refusalOf(() => decodeHeader(newer))).toEqual(code('newer-format'));
  });
});
