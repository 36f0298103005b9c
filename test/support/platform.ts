// An independent client of CTAP2 and U2F: the referee of the tests. It shares nothing with the project, not even the
// CBOR code, and knows only what the specifications say. Requests are plain bytes, answers are taken apart and verified
// with node:crypto.

import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  verify,
  X509Certificate,
} from 'node:crypto';

// --- CBOR -----------------------------------------------------------------------------------------------------------

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

// --- CTAP2 ----------------------------------------------------------------------------------------------------------

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

export function sha256(data: Uint8Array | string): Uint8Array {
  return createHash('sha256').update(data).digest();
}

/** A public key that relying parties verify with. */
export interface PublicKey {
  readonly alg: number;
  /** Where node:crypto knows the algorithm. */
  readonly key?: KeyObject;
  verify(signed: Uint8Array, signature: Uint8Array): boolean;
}

/** WebAuthn §5.8.5: COSE algorithm and curve to JWK curve, bytes of a coordinate, hash. */
const ec2: Readonly<Record<string, readonly [crv: string, size: number, hash: string]>> = {
  '-7,1': ['P-256', 32, 'sha256'],
  '-35,2': ['P-384', 48, 'sha384'],
  '-36,3': ['P-521', 66, 'sha512'],
  '-47,8': ['secp256k1', 32, 'sha256'],
};

const mlDsaKeyBytes: Readonly<Record<number, number>> = { [-48]: 1312, [-49]: 1952 };

/** Where OpenSSL has no ML-DSA, a test may lend an implementation. */
export const postQuantum: {
  verify?: (alg: number, publicKey: Uint8Array, signed: Uint8Array, signature: Uint8Array) => boolean;
} = {};

/** Imports a COSE_Key and insists on exactly the members of its key type, and on full-length coordinates. */
export function importCoseKey(coseKey: ReadonlyMap<Key, Value>): PublicKey {
  const [kty, alg, crv, x, y] = [1, 3, -1, -2, -3].map((label) => coseKey.get(label));
  if (typeof alg !== 'number') throw new Error('no alg');
  if (kty === 2) {
    const [name, size, hash] = ec2[`${alg},${String(crv)}`] ?? [];
    if (!name || coseKey.size !== 5) throw new Error(`not an EC2 key of ${alg}`);
    const jwk = { kty: 'EC', crv: name, x: field(x, size), y: field(y, size) };
    return imported(alg, createPublicKey({ key: jwk, format: 'jwk' }), hash);
  }
  if (kty === 1) {
    if (alg !== -8 || crv !== 6 || coseKey.size !== 4) throw new Error(`not an Ed25519 key: ${alg}`);
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: field(x, 32) };
    return imported(alg, createPublicKey({ key: jwk, format: 'jwk' }), undefined);
  }
  if (kty !== 7 || coseKey.size !== 3) throw new Error(`key type ${String(kty)}`);
  const pub = field(crv, mlDsaKeyBytes[alg]);
  const { verify: lent } = postQuantum;
  if (lent) return { alg, verify: (signed, signature) => lent(alg, Buffer.from(pub, 'base64url'), signed, signature) };
  const jwk = { kty: 'AKP', alg: alg === -48 ? 'ML-DSA-44' : 'ML-DSA-65', pub };
  return imported(alg, createPublicKey({ key: jwk, format: 'jwk' }), undefined);
}

function field(value: Value | undefined, size: number | undefined): string {
  if (!(value instanceof Uint8Array) || value.length !== size) throw new Error(`expected ${size} bytes of public key`);
  return Buffer.from(value).toString('base64url');
}

function imported(alg: number, key: KeyObject, hash: string | undefined): PublicKey {
  return { alg, key, verify: (signed, signature) => verify(hash, signed, key, signature) };
}

export interface Registration {
  readonly credentialId: Uint8Array;
  /** The member 05, of the extension largeBlobKey. */
  readonly largeBlobKey: Uint8Array | undefined;
  readonly publicKey: PublicKey;
  readonly data: AuthenticatorData;
  readonly fmt: string;
  /** Of the attestation, leaf first; none for self attestation. */
  readonly certificates: readonly X509Certificate[];
  readonly epAtt: boolean;
}

/** Verifies the answer to makeCredential as a relying party does. WebAuthn §7.1. */
export function verifyRegistration(response: Response, rpId: string, clientDataHash: Uint8Array): Registration {
  if (response.status !== 0) throw new Error(`status 0x${response.status.toString(16)}`);
  const { 1: fmt, 2: authData, 3: attStmt, 4: epAtt, ...others } = Object.fromEntries(response.members);
  const largeBlobKey = readLargeBlobKey(others, 5);
  if (!(authData instanceof Uint8Array) || !(attStmt instanceof Map)) throw new Error('members of another type');
  const data = parseAuthenticatorData(authData);
  if (!data.attested) throw new Error('no attested credential');
  if (Buffer.compare(data.rpIdHash, sha256(rpId)) !== 0) throw new Error('another relying party');
  const publicKey = importCoseKey(data.attested.coseKey);
  const certificates = attestationCertificates(attStmt);
  if (fmt === 'packed') {
    const alg = certificates ? -7 : publicKey.alg;
    if (attStmt.size !== (certificates ? 3 : 2) || attStmt.get('alg') !== alg)
      throw new Error('not packed attestation');
    verifyAttestation(certificates?.[0], publicKey, Buffer.concat([authData, clientDataHash]), attStmt.get('sig'));
  } else if (fmt === 'fido-u2f') {
    if (attStmt.size !== 2 || certificates?.length !== 1) throw new Error('not fido-u2f attestation');
    const { credentialId, coseKey } = data.attested;
    const point = Buffer.concat([Buffer.of(4), coseKey.get(-2) as Uint8Array, coseKey.get(-3) as Uint8Array]);
    const signed = Buffer.concat([Buffer.of(0), sha256(rpId), clientDataHash, credentialId, point]);
    verifyAttestation(certificates[0], publicKey, signed, attStmt.get('sig'));
  } else if (fmt !== 'none' || attStmt.size !== 0) {
    throw new Error(`attestation format ${String(fmt)}`);
  }
  const { credentialId } = data.attested;
  return { credentialId, largeBlobKey, publicKey, data, fmt, certificates: certificates ?? [], epAtt: epAtt === true };
}

function attestationCertificates(attStmt: ReadonlyMap<Key, Value>): X509Certificate[] | undefined {
  const x5c = attStmt.get('x5c');
  if (x5c === undefined) return undefined;
  return (x5c as readonly Uint8Array[]).map((der) => new X509Certificate(der));
}

/** Under the leaf's key, or, for self attestation, the credential's own. */
function verifyAttestation(
  leaf: X509Certificate | undefined,
  own: PublicKey,
  signed: Uint8Array,
  signature: Value | undefined,
): void {
  if (!(signature instanceof Uint8Array)) throw new Error('no attestation signature');
  const fits = leaf ? verify('sha256', signed, leaf.publicKey, signature) : own.verify(signed, signature);
  if (!fits) throw new Error('attestation signature does not verify');
}

export interface Assertion {
  readonly credentialId: Uint8Array;
  /** The member 07, of the extension largeBlobKey. */
  readonly largeBlobKey: Uint8Array | undefined;
  readonly data: AuthenticatorData;
  readonly user: ReadonlyMap<Key, Value> | undefined;
  readonly numberOfCredentials: number | undefined;
}

/** Verifies the answer to getAssertion as a relying party does. WebAuthn §7.2. */
export function verifyAssertion(
  response: Response,
  rpId: string,
  clientDataHash: Uint8Array,
  publicKeyOf: (credentialId: Uint8Array) => PublicKey | undefined,
): Assertion {
  if (response.status !== 0) throw new Error(`status 0x${response.status.toString(16)}`);
  const {
    1: credential,
    2: authData,
    3: signature,
    4: user,
    5: count,
    ...others
  } = Object.fromEntries(response.members);
  const largeBlobKey = readLargeBlobKey(others, 7);
  if (!(authData instanceof Uint8Array && signature instanceof Uint8Array)) throw new Error('members of another type');
  if (!(credential instanceof Map) || credential.get('type') !== 'public-key') throw new Error('no credential');
  const credentialId = credential.get('id');
  if (!(credentialId instanceof Uint8Array)) throw new Error('no credential id');
  const data = parseAuthenticatorData(authData);
  if (Buffer.compare(data.rpIdHash, sha256(rpId)) !== 0) throw new Error('another relying party');
  const publicKey = publicKeyOf(credentialId);
  if (!publicKey?.verify(Buffer.concat([authData, clientDataHash]), signature)) {
    throw new Error('assertion signature does not verify');
  }
  if (user !== undefined && !(user instanceof Map)) throw new Error('user is not a map');
  if (count !== undefined && typeof count !== 'number') throw new Error('numberOfCredentials is not a number');
  return { credentialId, largeBlobKey, data, user, numberOfCredentials: count };
}

/** Of the members that a response need not have, only this one is known. */
function readLargeBlobKey(others: Record<string, unknown>, member: number): Uint8Array | undefined {
  const { [member]: largeBlobKey, ...rest } = others;
  if (Object.keys(rest).length > 0) throw new Error('members that nobody asked for');
  if (largeBlobKey === undefined) return undefined;
  if (!(largeBlobKey instanceof Uint8Array) || largeBlobKey.length !== 32)
    throw new Error('largeBlobKey of another form');
  return largeBlobKey;
}

// --- U2F ------------------------------------------------------------------------------------------------------------

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

// --- PIN/UV auth ----------------------------------------------------------------------------------------------------

/** A platform's half of a key agreement: its public key for the authenticator, and what both now share. */
export interface Agreement {
  readonly protocol: 1 | 2;
  /** The parameter keyAgreement. */
  readonly coseKey: ReadonlyMap<Key, Value>;
  encrypt(plaintext: Uint8Array): Uint8Array;
  decrypt(ciphertext: Uint8Array): Uint8Array;
  authenticate(message: Uint8Array): Uint8Array;
}

/** encapsulate. CTAP 2.1 §6.5.6, §6.5.7. */
export function agree(protocol: 1 | 2, peer: ReadonlyMap<Key, Value>, privateKey?: Uint8Array): Agreement {
  const point = (key: ReadonlyMap<Key, Value>) =>
    Buffer.concat([Buffer.of(4), key.get(-2) as Uint8Array, key.get(-3) as Uint8Array]);
  const ecdh = createECDH('prime256v1');
  if (privateKey) ecdh.setPrivateKey(privateKey);
  else ecdh.generateKeys();
  const own = ecdh.getPublicKey();
  const z = ecdh.computeSecret(point(peer));
  const derive = (info: string) => Buffer.from(hkdfSync('sha256', z, Buffer.alloc(32), info, 32));
  const [hmacKey, aesKey] =
    protocol === 1 ? [sha256(z), sha256(z)] : [derive('CTAP2 HMAC key'), derive('CTAP2 AES key')];
  return {
    protocol,
    coseKey: new Map<Key, Value>([
      [1, 2],
      [3, -25],
      [-1, 1],
      [-2, new Uint8Array(own.subarray(1, 33))],
      [-3, new Uint8Array(own.subarray(33))],
    ]),
    encrypt(plaintext) {
      const iv = protocol === 1 ? Buffer.alloc(16) : randomBytes(16);
      const cipher = createCipheriv('aes-256-cbc', aesKey, iv).setAutoPadding(false);
      const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      return protocol === 1 ? ciphertext : Buffer.concat([iv, ciphertext]);
    },
    decrypt(ciphertext) {
      const [iv, rest] =
        protocol === 1 ? [Buffer.alloc(16), ciphertext] : [ciphertext.subarray(0, 16), ciphertext.subarray(16)];
      const decipher = createDecipheriv('aes-256-cbc', aesKey, iv).setAutoPadding(false);
      return Buffer.concat([decipher.update(rest), decipher.final()]);
    },
    authenticate: (message) => authenticate(protocol, hmacKey, message),
  };
}

/** pinUvAuthParam: under a pinUvAuthToken, or under the HMAC half of a shared secret. */
export function authenticate(protocol: 1 | 2, key: Uint8Array, message: Uint8Array): Uint8Array {
  const mac = createHmac('sha256', key).update(message).digest();
  return protocol === 1 ? mac.subarray(0, 16) : mac;
}

/** The PIN in UTF-8, filled up with zeros to 64 bytes. */
export function paddedPin(pin: string): Uint8Array {
  const padded = Buffer.alloc(64);
  padded.set(Buffer.from(pin, 'utf8'));
  return padded;
}

/** LEFT(SHA-256(PIN), 16). */
export function hashedPin(pin: string): Uint8Array {
  return sha256(pin).subarray(0, 16);
}

/** Opens encIdentifier or encCredStoreState with the persistent token. CTAP 2.2 §6.4. */
export function openIdentifier(info: string, token: Uint8Array, sealed: Uint8Array): Uint8Array {
  const key = Buffer.from(hkdfSync('sha256', token, Buffer.alloc(32), info, 16));
  const decipher = createDecipheriv('aes-128-cbc', key, sealed.subarray(0, 16)).setAutoPadding(false);
  return Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]);
}
