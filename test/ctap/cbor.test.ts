import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  arrayOf,
  boolean,
  bytes,
  type CborValue,
  decodeCbor,
  decodeParameters,
  encodeCbor,
  integer,
  map,
  text,
  unsigned,
} from '../../ctap/cbor.ts';
import { CtapError, Status } from '../../ctap/status.ts';
import * as platform from '../support/platform.ts';

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const toHex = (value: Uint8Array) => Buffer.from(value).toString('hex');

function statusOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    if (error instanceof CtapError) return error.status;
    throw error;
  }
  return Status.OK;
}

/** Vectors and their origin: §28.6-style example maps of CTAP2 canonical CBOR, and RFC 8949 Appendix A. */
const vectors: [string, CborValue][] = [
  ['00', 0],
  ['17', 23],
  ['1818', 24],
  ['18ff', 255],
  ['190100', 256],
  ['19ffff', 65535],
  ['1a00010000', 65536],
  ['1affffffff', 2 ** 32 - 1],
  ['1b0000000100000000', 2 ** 32],
  ['1b000000e8d4a51000', 1_000_000_000_000],
  ['1b001fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['20', -1],
  ['3863', -100],
  ['3903e7', -1000],
  ['3affffffff', -(2 ** 32)],
  ['3b0000000100000000', -(2 ** 32) - 1],
  ['3b001ffffffffffffe', Number.MIN_SAFE_INTEGER],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['40', new Uint8Array()],
  ['4401020304', Uint8Array.of(1, 2, 3, 4)],
  ['60', ''],
  ['6161', 'a'],
  ['62c3bc', 'ü'],
  ['63e6b0b4', '水'],
  ['64f0908591', '\u{10151}'],
  ['63efbbbf', '\ufeff'],
  ['80', []],
  ['83010203', [1, 2, 3]],
  ['a0', new Map()],
  [
    'a40182020303f521f6647473747243010203',
    new Map<number | string, CborValue>([
      [1, [2, 3]],
      [3, true],
      [-2, null],
      ['tstr', Uint8Array.of(1, 2, 3)],
    ]),
  ],
];

describe('canonical CBOR', () => {
  for (const [hex, value] of vectors) {
    it(`reads and writes ${hex}`, () => {
      expect(decodeCbor(fromHex(hex))).toEqual(value);
      expect(toHex(encodeCbor(value))).toBe(hex);
    });
  }

  it('sorts keys by major type, then length, then bytes, in whatever order they come', () => {
    const keys = [
      'ep',
      'rk',
      'up',
      'uv',
      'plat',
      'uvAcfg',
      'uvToken',
      'alwaysUv',
      'credMgmt',
      'authnrCfg',
      'bioEnroll',
    ];
    const sorted = [0, 1, 23, 24, 255, 256, 2 ** 32, -1, -2, -24, -25, -257, ...keys];
    const reversed = new Map(sorted.toReversed().map((key) => [key, 0]));
    expect([...(platform.decode(encodeCbor(reversed)) as Map<number | string, number>).keys()]).toEqual(sorted);
  });

  it('leaves out members that are undefined', () => {
    expect(toHex(encodeCbor(new Map([[1, undefined], [2, 3]])))).toBe('a10203'); // biome-ignore format: one line
  });

  it('refuses to write what CTAP has no form for', () => {
    for (const number of [0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => encodeCbor(number)).toThrow(RangeError);
    }
    for (const half of ['\ud83d', '\udd11', 'key \udd11\ud83d', '\ud83da']) {
      expect(() => encodeCbor(['\u{1f511}', half])).toThrow(RangeError);
      expect(() => encodeCbor(new Map([[half, 1]]))).toThrow(RangeError);
    }
  });

  it('copies byte strings, so that a request may be overwritten', () => {
    const input = fromHex('a10143010203');
    const value = decodeParameters(input).required(1, bytes);
    input.fill(0);
    expect(value).toEqual(Uint8Array.of(1, 2, 3));
    expect(value.constructor).toBe(Uint8Array);
  });

  const scalar = fc.oneof(
    fc.maxSafeInteger(),
    fc.integer({ min: -70000, max: 70000 }),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: 'binary', maxLength: 80 }),
    fc.uint8Array({ maxLength: 80 }).map((array) => new Uint8Array(array)),
  );
  const key = fc.oneof(fc.maxSafeInteger(), fc.nat(30), fc.string({ unit: 'binary', maxLength: 30 }));
  const nest = (inner: fc.Arbitrary<CborValue>): fc.Arbitrary<CborValue> =>
    fc.oneof(
      inner,
      fc.array(inner, { maxLength: 5 }),
      fc.array(fc.tuple(key, inner), { maxLength: 30 }).map((members) => new Map(members)),
    );
  const anything = nest(nest(nest(nest(scalar))));

  it('reads back whatever it writes, and an independent reader finds the same, canonical', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const encoded = encodeCbor(value);
        expect(decodeCbor(encoded)).toEqual(value);
        expect(platform.decode(encoded)).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  it('reads what an independent writer writes, from any buffer', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const encoded = platform.encode(value as platform.Value);
        expect(decodeCbor(encoded)).toEqual(value);
        expect(decodeCbor(new Uint8Array([0, ...encoded, 0]).subarray(1, -1))).toEqual(value);
      }),
      { numRuns: 300 },
    );
  });

  it('accepts no bytes but those that it would write itself', () => {
    fc.assert(
      fc.property(anything, fc.nat(), fc.nat(255), (value, position, byte) => {
        const encoded = encodeCbor(value);
        const changed = encoded.with(position % encoded.length, byte);
        let decoded: CborValue;
        try {
          decoded = decodeCbor(changed);
        } catch (error) {
          expect(error).toBeInstanceOf(CtapError);
          return;
        }
        expect(toHex(encodeCbor(decoded))).toBe(toHex(changed));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('what is not canonical CBOR', () => {
  const good = 'a4 01 82 02 03 03 f5 21 f6 64 74737472 43 010203';
  const bad: [string, string][] = [
    ['nothing at all', ''],
    ['a byte after the item', `${good} 00`],
    ['an item that ends early', 'a4 01 82 02 03 03 f5 21 f6 64 74737472 43 0102'],
    ['a map that ends early', 'a5 01 82 02 03 03 f5 21 f6 64 74737472 43 010203'],
    ['keys out of order', 'a4 03 82 02 03 01 f5 21 f6 64 74737472 43 010203'],
    ['a negative key before an unsigned one', 'a2 20 01 01 01'],
    ['a text key before an integer', 'a2 61 61 01 01 01'],
    ['a longer text key before a shorter one', 'a2 62 6161 01 61 62 01'],
    ['text keys of one length out of order', 'a2 61 62 01 61 61 01'],
    ['a key that comes twice', 'a2 01 01 01 02'],
    ['a nested key that comes twice', 'a1 01 a2 61 61 01 61 61 02'],
    ['a long-form integer of one byte', '18 17'],
    ['a long-form integer of two bytes', '19 00ff'],
    ['a long-form integer of four bytes', '1a 0000ffff'],
    ['a long-form integer of eight bytes', '1b 00000000ffffffff'],
    ['a long-form negative integer', '38 17'],
    ['a long-form byte string', '58 03 010203'],
    ['a long-form text string', '78 01 61'],
    ['a long-form array', '98 01 01'],
    ['a long-form map', 'b8 01 01 01'],
    ['an indefinite byte string', '5f 41 01 ff'],
    ['an indefinite text string', '7f 61 61 ff'],
    ['an indefinite array', '9f 01 ff'],
    ['an indefinite map', 'bf 01 01 ff'],
    ['a stray break', 'ff'],
    ['a tag', 'c0 01'],
    ['a reserved length', '1c'],
    ['a half float', 'f9 3c00'],
    ['a single float', 'fa 3f800000'],
    ['a double float', 'fb 3ff0000000000000'],
    ['undefined', 'f7'],
    ['another simple value', 'e0'],
    ['a simple value in two bytes', 'f8 20'],
    ['an integer above 2^53 - 1', '1b 0020000000000000'],
    ['an integer below -(2^53 - 1)', '3b 001fffffffffffff'],
    ['an array as key', 'a1 80 01'],
    ['a byte string longer than the input', '5b 7fffffffffffffff 00'],
    ['an array longer than the input', '9b 001fffffffffffff 00'],
    ['five levels of arrays', '81 81 81 81 81 01'],
    ['five levels of maps', 'a1 01 a1 01 a1 01 a1 01 a1 01 01'],
    ['a lone continuation byte', '61 80'],
    ['an overlong slash', '62 c0af'],
    ['an overlong of three bytes', '63 e08080'],
    ['an overlong of four bytes', '64 f0808080'],
    ['a surrogate', '63 eda080'],
    ['a code point above U+10FFFF', '64 f4908080'],
    ['a cut code point', '62 e6b0'],
    ['the byte FF in text', '61 ff'],
    ['invalid text in a key', 'a1 61 80 01'],
  ];
  for (const [name, hex] of bad) {
    it(`refuses ${name}`, () => expect(statusOf(() => decodeCbor(fromHex(hex)))).toBe(Status.INVALID_CBOR));
  }

  it('takes four levels', () => expect(decodeCbor(fromHex('8181818101'))).toEqual([[[[1]]]]));

  it('refuses twenty thousand levels without running out of stack', () => {
    const deep = new Uint8Array(20_000).fill(0x81);
    expect(statusOf(() => decodeCbor(deep))).toBe(Status.INVALID_CBOR);
  });
});

describe('the members of a map', () => {
  const parameters = decodeParameters(
    encodeCbor(
      new Map<number, CborValue>([
        [1, Uint8Array.of(1)],
        [2, 'two'],
        [3, true],
        [4, -4],
        [5, [1, 2]],
        [6, new Map([['id', 'x']])],
        [7, null],
      ]),
    ),
  );
  const shapes = { bytes, text, boolean, integer, unsigned, array: arrayOf(integer), map };
  const fits: Record<keyof typeof shapes, number[]> = {
    bytes: [1],
    text: [2],
    boolean: [3],
    integer: [4],
    unsigned: [],
    array: [5],
    map: [6],
  };
  for (const [name, shape] of Object.entries(shapes)) {
    it(`are ${name} or CBOR_UNEXPECTED_TYPE`, () => {
      for (let key = 1; key <= 7; key++) {
        const expected = fits[name as keyof typeof shapes].includes(key) ? Status.OK : Status.CBOR_UNEXPECTED_TYPE;
        expect(statusOf(() => parameters.required<unknown>(key, shape))).toBe(expected);
        expect(statusOf(() => parameters.optional<unknown>(key, shape))).toBe(expected);
      }
    });
  }

  it('are MISSING_PARAMETER when absent at the top, CBOR_UNEXPECTED_TYPE when absent inside', () => {
    expect(statusOf(() => parameters.required(9, text))).toBe(Status.MISSING_PARAMETER);
    expect(statusOf(() => parameters.required(6, map).required('name', text))).toBe(Status.CBOR_UNEXPECTED_TYPE);
    expect(parameters.optional(9, text)).toBeUndefined();
  });

  it('can be had as the bytes that came', () => {
    expect(toHex(parameters.raw(6) ?? new Uint8Array())).toBe('a1626964 6178'.replace(' ', ''));
    expect(parameters.raw(9)).toBeUndefined();
  });

  it('are those of a map, or else CBOR_UNEXPECTED_TYPE', () => {
    expect(statusOf(() => decodeParameters(fromHex('80')))).toBe(Status.CBOR_UNEXPECTED_TYPE);
    expect(statusOf(() => decodeParameters(fromHex('01')))).toBe(Status.CBOR_UNEXPECTED_TYPE);
  });
});
