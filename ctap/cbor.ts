// CTAP2 canonical CBOR (CTAP 2.1 §8): strict decoding, canonical encoding, and MapReader for the members of a map.
// cbor-x moves the bytes but is lenient, so one scan over the input comes first and a sorting pass before the output.

import { utf8ToBytes } from '@noble/hashes/utils.js';
import { Encoder } from 'cbor-x';
import { CtapError, type StatusName } from './status.ts';

export type CborKey = number | string;
/** Members that are `undefined` are left out of the encoding. */
export type CborMap = ReadonlyMap<CborKey, CborValue | undefined>;
/** Numbers are integers from -(2^53 - 1) to 2^53 - 1; other than null there is no simple value, no float, no tag. */
export type CborValue = number | string | boolean | null | Uint8Array | readonly CborValue[] | CborMap;

/** Maps and arrays in one another. CTAP 2.1 §8. */
const maxDepth = 4;

const options = {
  mapsAsObjects: false,
  useRecords: false,
  tagUint8Array: false,
  variableMapSize: true,
  copyBuffers: true,
  int64AsNumber: true,
};
const codec = new Encoder(options);

/** Half of a pair: it has no UTF-8. RFC 3629 §3. */
const loneSurrogate = /\p{Surrogate}/u;

/**
 * Decodes exactly one item of canonical CBOR. Byte strings are copies of the input, not views.
 * @throws CtapError INVALID_CBOR if the bytes are not well-formed, not canonical, or nested more than four deep.
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  const input = plain(bytes);
  scan(input);
  return codec.decode(input);
}

/**
 * Encodes canonically: minimal heads, definite lengths, map keys sorted. The result is a fresh array, which `decodeCbor`
 * reads back.
 * @throws RangeError for an integer that is not safe, and for a text that is not well-formed Unicode
 */
export function encodeCbor(value: CborValue): Uint8Array {
  const encoded = codec.encode(prepare(value));
  const copy = new Uint8Array(encoded);
  encoded.fill(0); // It is part of a buffer that cbor-x keeps, and what is encoded may be secret.
  return copy;
}

/**
 * The parameters of a request: one map, whose absent required members are MISSING_PARAMETER.
 * @throws CtapError INVALID_CBOR as `decodeCbor`; CBOR_UNEXPECTED_TYPE if the item is not a map.
 */
export function decodeParameters(bytes: Uint8Array): MapReader {
  const input = plain(bytes);
  const ranges = scan(input);
  const value: CborValue = codec.decode(input);
  if (!(value instanceof Map)) throw new CtapError('CBOR_UNEXPECTED_TYPE');
  return new MapReader(value, 'MISSING_PARAMETER', (key) => {
    const range = ranges.get(key);
    return range && input.slice(range.start, range.end);
  });
}

/** What a member must be: gives the value its type, or throws CBOR_UNEXPECTED_TYPE. */
export type Shape<T> = (value: CborValue) => T;

export const bytes: Shape<Uint8Array> = (value) => {
  if (value instanceof Uint8Array) return value;
  throw new CtapError('CBOR_UNEXPECTED_TYPE');
};
export const text: Shape<string> = (value) => {
  if (typeof value === 'string') return value;
  throw new CtapError('CBOR_UNEXPECTED_TYPE');
};
export const boolean: Shape<boolean> = (value) => {
  if (typeof value === 'boolean') return value;
  throw new CtapError('CBOR_UNEXPECTED_TYPE');
};
export const integer: Shape<number> = (value) => {
  if (typeof value === 'number') return value;
  throw new CtapError('CBOR_UNEXPECTED_TYPE');
};
export const unsigned: Shape<number> = (value) => {
  if (typeof value === 'number' && value >= 0) return value;
  throw new CtapError('CBOR_UNEXPECTED_TYPE');
};
/** A map inside another item; absent required members are CBOR_UNEXPECTED_TYPE there. */
export const map: Shape<MapReader> = (value) => {
  if (value instanceof Map) return new MapReader(value, 'CBOR_UNEXPECTED_TYPE');
  throw new CtapError('CBOR_UNEXPECTED_TYPE');
};
/** A map of further parameters inside the parameters; absent required members are MISSING_PARAMETER there, too. */
export const parameterMap: Shape<MapReader> = (value) => {
  if (value instanceof Map) return new MapReader(value, 'MISSING_PARAMETER');
  throw new CtapError('CBOR_UNEXPECTED_TYPE');
};
export function arrayOf<T>(shape: Shape<T>): Shape<T[]> {
  return (value) => {
    if (Array.isArray(value)) return value.map((element: CborValue) => shape(element));
    throw new CtapError('CBOR_UNEXPECTED_TYPE');
  };
}

/** Reads the members of one map, each with the type it must have. Members that nobody reads are ignored. */
export class MapReader {
  readonly #members: ReadonlyMap<unknown, CborValue>;
  readonly #whenMissing: StatusName;
  readonly #rawMember: (key: CborKey) => Uint8Array | undefined;

  constructor(
    members: ReadonlyMap<unknown, CborValue>,
    whenMissing: StatusName,
    rawMember: (key: CborKey) => Uint8Array | undefined = () => undefined,
  ) {
    this.#members = members;
    this.#whenMissing = whenMissing;
    this.#rawMember = rawMember;
  }

  /** @throws CtapError if the member is absent or has another type. */
  required<T>(key: CborKey, shape: Shape<T>): T {
    const value = this.optional(key, shape);
    if (value === undefined) throw new CtapError(this.#whenMissing);
    return value;
  }

  /** @throws CtapError CBOR_UNEXPECTED_TYPE if the member is there but has another type. */
  optional<T>(key: CborKey, shape: Shape<T>): T | undefined {
    const value = this.#members.get(key);
    return value === undefined ? undefined : shape(value);
  }

  /** The encoding of a parameter exactly as the host sent it, for signatures over it. Top level only. */
  raw(key: CborKey): Uint8Array | undefined {
    return this.#rawMember(key);
  }
}

/** Sees a Node Buffer as the Uint8Array it is, since a Buffer's slices are Buffers, and views. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Brings a value into the shape that makes cbor-x write canonical CBOR. */
function prepare(value: CborValue): unknown {
  if (typeof value === 'number') return prepareInteger(value);
  if (typeof value === 'string') return prepareText(value);
  if (Array.isArray(value)) return value.map(prepare);
  if (!(value instanceof Map)) return value;
  const members: [CborKey, CborValue][] = [...value].filter((member) => member[1] !== undefined);
  members.sort(([a], [b]) => compareKeys(a, b));
  return new Map(
    members.map(([key, member]) => [typeof key === 'number' ? prepareInteger(key) : prepareText(key), prepare(member)]),
  );
}

/** cbor-x writes half a pair as it stands, and no strict decoder takes it. */
function prepareText(value: string): string {
  if (loneSurrogate.test(value)) throw new RangeError('cbor needs well-formed Unicode, got half a surrogate pair');
  return value;
}

/** cbor-x writes larger numbers as floats, but a bigint always as an integer of eight bytes. */
function prepareInteger(value: number): number | bigint {
  if (!Number.isSafeInteger(value)) throw new RangeError(`cbor needs a safe integer, got ${value}`);
  return value >= 2 ** 32 || value < -(2 ** 32) ? BigInt(value) : value;
}

/** Major type first, then length of the encoding, then its bytes: 0, 1, 100, -1, -2, "id", "type". CTAP 2.1 §8. */
function compareKeys(a: CborKey, b: CborKey): number {
  if (typeof a === 'number' && typeof b === 'number') {
    if (a >= 0 !== b >= 0) return a >= 0 ? -1 : 1;
    return a >= 0 ? a - b : b - a;
  }
  if (typeof a === 'string' && typeof b === 'string') {
    // The order of ASCII characters is that of their bytes: nearly every key there is, and much cheaper.
    if (isAscii(a) && isAscii(b)) return a.length - b.length || (a < b ? -1 : 1);
    const [left, right] = [utf8ToBytes(a), utf8ToBytes(b)];
    return left.length - right.length || compareBytes(left, right);
  }
  return typeof a === 'number' ? -1 : 1;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Lexical order; a prefix comes before what it begins. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Checks one item of canonical CBOR; of a map it gives back where the values of its keys 0 to 23 stand. */
function scan(bytes: Uint8Array): ReadonlyMap<CborKey, Range> {
  const scanner = new Scanner(bytes);
  scanner.item(0);
  if (scanner.position !== bytes.length) throw new CtapError('INVALID_CBOR');
  return scanner.parameters;
}

/** The linear scan: refuses whatever cbor-x would let pass. Every command parameter has a key below 24. */
class Scanner {
  position = 0;
  readonly parameters = new Map<CborKey, Range>();
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Passes one item that stands inside `depth` maps and arrays. */
  item(depth: number): void {
    const initial = this.#byte();
    const major = initial >> 5;
    if (major === 7) {
      // false, true, null; neither floats nor anything else occurs in CTAP.
      if (initial < 0xf4 || initial > 0xf6) throw new CtapError('INVALID_CBOR');
      return;
    }
    const argument = this.#argument(initial & 0x1f);
    if (major === 0 || major === 1) {
      if (!Number.isSafeInteger(major === 0 ? argument : -1 - argument)) throw new CtapError('INVALID_CBOR');
    } else if (major === 2) {
      this.#skip(argument);
    } else if (major === 3) {
      const start = this.position;
      this.#skip(argument);
      if (!isUtf8(this.#bytes, start, this.position)) throw new CtapError('INVALID_CBOR');
    } else if (major === 4) {
      this.#enter(depth);
      for (let i = 0; i < argument; i++) this.item(depth + 1);
    } else if (major === 5) {
      this.#enter(depth);
      this.#members(argument, depth);
    } else {
      throw new CtapError('INVALID_CBOR'); // a tag
    }
  }

  #members(count: number, depth: number): void {
    let previous: Range | undefined;
    for (let i = 0; i < count; i++) {
      const key = { start: this.position, end: 0 };
      // Integers, byte and text strings: for these the canonical order is the plain order of the encoded bytes.
      if ((this.#bytes[this.position] ?? 0) >> 5 > 3) throw new CtapError('INVALID_CBOR');
      this.item(depth + 1);
      key.end = this.position;
      if (previous && !this.#ascends(previous, key)) throw new CtapError('INVALID_CBOR');
      previous = key;
      this.item(depth + 1);
      const initial = this.#bytes[key.start] ?? 0;
      if (depth === 0 && initial < 24) this.parameters.set(initial, { start: key.end, end: this.position });
    }
  }

  #ascends(previous: Range, key: Range): boolean {
    const bytes = this.#bytes;
    return compareBytes(bytes.subarray(previous.start, previous.end), bytes.subarray(key.start, key.end)) < 0;
  }

  #enter(depth: number): void {
    if (depth >= maxDepth) throw new CtapError('INVALID_CBOR');
  }

  /** The argument of a head: in the initial byte, or in 1, 2, 4 or 8 bytes after it, and no longer than it must be. */
  #argument(info: number): number {
    if (info < 24) return info;
    if (info > 27) throw new CtapError('INVALID_CBOR');
    const length = 1 << (info - 24);
    let argument = 0;
    for (let i = 0; i < length; i++) argument = argument * 256 + this.#byte();
    const shorter = info === 24 ? 24 : 2 ** (4 * length);
    if (argument < shorter) throw new CtapError('INVALID_CBOR');
    return argument;
  }

  #byte(): number {
    const byte = this.#bytes[this.position];
    if (byte === undefined) throw new CtapError('INVALID_CBOR');
    this.position++;
    return byte;
  }

  #skip(length: number): void {
    if (length > this.#bytes.length - this.position) throw new CtapError('INVALID_CBOR');
    this.position += length;
  }
}

/** Well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. RFC 3629 §4. */
function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let position = start;
  while (position < end) {
    const lead = bytes[position++] ?? 0;
    if (lead < 0x80) continue;
    const following = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || position + following > end) return false;
    const second = bytes[position] ?? 0;
    const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < lowest || second > highest) return false;
    for (let i = 1; i < following; i++) if ((bytes[position + i] ?? 0) >> 6 !== 0b10) return false;
    position += following;
  }
  return true;
}
