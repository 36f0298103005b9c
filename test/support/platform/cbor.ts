// The independent client's CBOR, as far as CTAP2 speaks it: canonical, of definite length, without floats and tags.
// It shares nothing with the project's own.

export type Value = number | bigint | string | boolean | null | Uint8Array | readonly Value[] | ReadonlyMap<Key, Value>;
export type Key = number | string;

/** Encodes; the keys of maps are sorted canonically. */
export function encode(value: Value): Uint8Array {
  if (value === false) return Buffer.of(0xf4);
  if (value === true) return Buffer.of(0xf5);
  if (value === null) return Buffer.of(0xf6);
  if (typeof value === 'number' || typeof value === 'bigint') {
    return value < 0 ? head(1, -1n - BigInt(value)) : head(0, BigInt(value));
  }
  if (typeof value === 'string') {
    const utf8 = Buffer.from(value, 'utf8');
    return Buffer.concat([head(3, BigInt(utf8.length)), utf8]);
  }
  if (value instanceof Uint8Array) return Buffer.concat([head(2, BigInt(value.length)), value]);
  if (value instanceof Map) {
    const members = [...value].map(([key, member]) => [Buffer.from(encode(key)), encode(member)] as const);
    members.sort(([a], [b]) => Buffer.compare(a, b));
    return Buffer.concat([head(5, BigInt(members.length)), ...members.flat()]);
  }
  const elements = value as readonly Value[];
  return Buffer.concat([head(4, BigInt(elements.length)), ...elements.map(encode)]);
}

function head(major: number, argument: bigint): Buffer {
  const start = major << 5;
  if (argument < 24n) return Buffer.of(start | Number(argument));
  const bytes = argument < 0x100n ? 1 : argument < 0x10000n ? 2 : argument < 0x100000000n ? 4 : 8;
  const initial = start | (24 + Math.log2(bytes));
  return Buffer.concat([Buffer.of(initial), Buffer.from(argument.toString(16).padStart(bytes * 2, '0'), 'hex')]);
}

/** Decodes the first item; gives back how many bytes it took. Knows no indefinite lengths, no floats, no tags. */
export function decodeFirst(bytes: Uint8Array): { value: Value; length: number } {
  const data = Buffer.from(bytes);
  let position = 0;
  const take = (length: number) => {
    if (position + length > data.length) throw new Error('cbor ends early');
    position += length;
    return data.subarray(position - length, position);
  };
  const item = (): Value => {
    const initial = take(1).readUInt8();
    const info = initial & 0x1f;
    if (initial >> 5 === 7) {
      if (info === 20 || info === 21) return info === 21;
      if (info === 22) return null;
      throw new Error(`unexpected cbor simple value ${info}`);
    }
    if (info > 27) throw new Error('cbor of indefinite length');
    const argument = info < 24 ? info : Number(BigInt(`0x${take(2 ** (info - 24)).toString('hex')}`));
    switch (initial >> 5) {
      case 0:
        return argument;
      case 1:
        return -1 - argument;
      case 2:
        return new Uint8Array(take(argument));
      case 3:
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(take(argument));
      case 4:
        return Array.from({ length: argument }, item);
      case 5:
        return new Map(Array.from({ length: argument }, () => [item() as Key, item()]));
      default:
        throw new Error('cbor tag');
    }
  };
  return { value: item(), length: position };
}

/** Decodes one item and insists that it is the whole input, canonically encoded. */
export function decode(bytes: Uint8Array): Value {
  const { value, length } = decodeFirst(bytes);
  if (length !== bytes.length) throw new Error('bytes after the cbor item');
  if (Buffer.compare(encode(value), bytes) !== 0) throw new Error('cbor is not canonical');
  return value;
}
