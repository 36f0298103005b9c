// The independent client's CTAP2 messages: requests as plain bytes, responses and authenticator data taken apart and
// checked for their form.

import { decode, decodeFirst, encode, type Key, type Value } from './cbor.ts';

export interface Response {
  readonly status: number;
  /** Empty if there were none. */
  readonly members: ReadonlyMap<Key, Value>;
}

/** A CTAP2 request: command byte and, unless undefined, parameters. */
export function request(command: number, parameters?: Value): Uint8Array {
  return Buffer.concat([Buffer.of(command), ...(parameters === undefined ? [] : [encode(parameters)])]);
}

export function parseResponse(bytes: Uint8Array): Response {
  const [status] = bytes;
  if (status === undefined) throw new Error('empty response');
  if (status !== 0 && bytes.length > 1) throw new Error('bytes after an error status');
  const members = bytes.length > 1 ? decode(bytes.subarray(1)) : new Map<Key, Value>();
  if (!(members instanceof Map)) throw new Error('response is not a map');
  return { status, members };
}

export interface AuthenticatorData {
  readonly rpIdHash: Uint8Array;
  readonly flags: number;
  readonly signCount: number;
  readonly attested?: {
    readonly aaguid: Uint8Array;
    readonly credentialId: Uint8Array;
    readonly coseKey: ReadonlyMap<Key, Value>;
  };
  /** Outputs of extensions, by name; absent unless flag ED says that they are there. */
  readonly extensions?: ReadonlyMap<Key, Value>;
}

/** Takes authenticator data apart and checks that flags and contents agree. */
export function parseAuthenticatorData(bytes: Uint8Array): AuthenticatorData {
  const data = Buffer.from(bytes);
  const flags = data.readUInt8(32);
  const start = { rpIdHash: data.subarray(0, 32), flags, signCount: data.readUInt32BE(33) };
  if (flags & 0x22) throw new Error('reserved flag set');
  if (flags & 0x10 && !(flags & 0x08)) throw new Error('backed up but not eligible');
  if (!(flags & 0x40)) return { ...start, ...parseExtensions(flags, data.subarray(37)) };
  const idLength = data.readUInt16BE(53);
  const keyStart = 55 + idLength;
  const keyEnd = keyStart + decodeFirst(data.subarray(keyStart)).length;
  const key = decode(data.subarray(keyStart, keyEnd));
  if (!(key instanceof Map)) throw new Error('cose key is not a map');
  const [aaguid, credentialId] = [data.subarray(37, 53), data.subarray(55, keyStart)];
  return {
    ...start,
    attested: { aaguid: new Uint8Array(aaguid), credentialId: new Uint8Array(credentialId), coseKey: key },
    ...parseExtensions(flags, data.subarray(keyEnd)),
  };
}

/** The end of authenticator data: nothing, or one map of extension outputs if the flag ED is set. */
function parseExtensions(flags: number, end: Uint8Array): Pick<AuthenticatorData, 'extensions'> {
  if (!(flags & 0x80)) {
    if (end.length > 0) throw new Error(`${end.length} bytes too many in authenticator data`);
    return {};
  }
  const extensions = decode(end);
  if (!(extensions instanceof Map) || extensions.size === 0) throw new Error('no map of extension outputs');
  return { extensions };
}
