// Reads JSON that somebody else wrote: each value knows its path, so that a refusal says which field is meant and what
// was expected there. What came instead is named by its type only, since it may be a secret.

import { UserError } from '../errors.ts';
import { base64url } from '../jwk.ts';

/** The end of the year 9999, in milliseconds since 1970; what is later has no date of four digits. */
const latestTime = 253_402_300_799_999;
const isoDate = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/;
const domainLabel = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const loneSurrogate = /\p{Surrogate}/u;

export class JsonReader {
  readonly #value: unknown;
  readonly #path: string;

  constructor(value: unknown, path = '') {
    this.#value = value;
    this.#path = path;
  }

  /** A member of an object; one that is missing is refused when it is read. */
  member(name: string): JsonReader {
    if (!isObject(this.#value)) return this.refuse('an object');
    const value = Object.hasOwn(this.#value, name) ? this.#value[name] : undefined;
    return new JsonReader(value, this.#path === '' ? name : `${this.#path}.${name}`);
  }

  /** The same, undefined if it is missing or null. */
  optional(name: string): JsonReader | undefined {
    const member = this.member(name);
    return member.#value === undefined || member.#value === null ? undefined : member;
  }

  /** The same field with a part of its value, or with its value in another form. */
  as(value: unknown): JsonReader {
    return new JsonReader(value, this.#path);
  }

  items(): JsonReader[] {
    if (!Array.isArray(this.#value)) return this.refuse('an array');
    return this.#value.map((item, index) => new JsonReader(item, `${this.#path}[${index}]`));
  }

  text(): string {
    if (typeof this.#value !== 'string') return this.refuse('a text');
    return loneSurrogate.test(this.#value) ? this.refuse('a text of Unicode', 'half a character') : this.#value;
  }

  /** A text of at least one character. */
  name(): string {
    return this.text() || this.refuse('a text that is not empty');
  }

  /** A domain name, as the RP ID of a website is one. */
  domain(): string {
    const text = this.name();
    return isDomain(text) ? text : this.refuse('a domain name in lower case');
  }

  boolean(): boolean {
    return typeof this.#value === 'boolean' ? this.#value : this.refuse('true or false');
  }

  unsigned(): number {
    const isUnsigned = Number.isSafeInteger(this.#value) && Number(this.#value) >= 0;
    return isUnsigned ? Number(this.#value) : this.refuse('a whole number from 0');
  }

  /** The same, or its digits as a text. */
  count(): number {
    const isDigits = typeof this.#value === 'string' && /^\d+$/.test(this.#value);
    return isDigits ? this.as(Number(this.#value)).unsigned() : this.unsigned();
  }

  /** One of the given values. */
  oneOf<T extends string | number>(allowed: readonly T[]): T {
    return allowed.find((candidate) => candidate === this.#value) ?? this.refuse(allowed.join(' or '));
  }

  /** Base64url as it is written, with or without padding, of `minBytes` to `maxBytes` bytes. RFC 4648 §5. */
  bytes(minBytes = 0, maxBytes = Number.POSITIVE_INFINITY): Uint8Array {
    if (typeof this.#value !== 'string') return this.refuse('base64url');
    // Buffer passes over whatever is no base64url, so that what it read is held against what stands there.
    const bytes = new Uint8Array(Buffer.from(this.#value, 'base64url'));
    const text = base64url(bytes);
    const padded = text.padEnd(Math.ceil(text.length / 4) * 4, '=');
    if (this.#value !== text && this.#value !== padded) return this.refuse('base64url');
    if (bytes.length >= minBytes && bytes.length <= maxBytes) return bytes;
    const expected = minBytes === maxBytes ? `${minBytes}` : `${minBytes} to ${maxBytes}`;
    return this.refuse(`${expected} bytes in base64url`, `${bytes.length}`);
  }

  /** Milliseconds since 1970 of an ISO 8601 date with time and zone. */
  date(): number {
    const [text, day] = typeof this.#value === 'string' ? (isoDate.exec(this.#value) ?? []) : [];
    // Date.parse takes 30 February for the first of March.
    const isDay = day !== undefined && new Date(day).toJSON()?.startsWith(day);
    const time = isDay && text !== undefined ? Date.parse(text) : Number.NaN;
    return time >= 0 && time <= latestTime ? time : this.refuse('a date in the form of ISO 8601');
  }

  /** Milliseconds since 1970 of whole seconds since then. */
  seconds(): number {
    const time = this.unsigned() * 1000;
    return time <= latestTime ? time : this.refuse('seconds since 1970, up to the year 9999');
  }

  /** @throws UserError always: `path: expected this, got that` */
  refuse(expected: string, got = typeName(this.#value)): never {
    throw new UserError(`${this.#path || 'the file'}: expected ${expected}, got ${got}`, 'nothing was changed');
  }
}

/** Whether browsers have such a domain: ASCII in lower case, and no IP address. RFC 1123 §2.1, WebAuthn §5.1.3. */
export function isDomain(text: string): boolean {
  const labels = text.split('.');
  const isAddress = /^\d+$/.test(labels.at(-1) ?? '');
  return text.length <= 253 && !isAddress && labels.every((label) => domainLabel.test(label));
}

/** @throws UserError if the text is not JSON; it may hold secrets, so nothing of it is repeated. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError('the file is not JSON, or is cut short', 'nothing was changed');
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (value === '') return 'an empty text';
  return { string: 'another text', object: 'an object' }[typeof value as string] ?? `a ${typeof value}`;
}
