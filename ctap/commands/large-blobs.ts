// authenticatorLargeBlobs (0x0C): reads and replaces the serialized large-blob array, in pieces where it does not fit
// into one message. What the array means is the platform's business; only the hash at its end is looked at here.
// CTAP 2.1 §6.10.2, whose step numbers the comments bear.

import { concatBytes } from '@noble/hashes/utils.js';
import type { Call } from '../call.ts';
import { bytes, type CborMap, integer, unsigned } from '../cbor.ts';
import { authorize, isProtected } from '../pin-uv-auth.ts';
import type { LargeBlobWrite } from '../session.ts';
import { CtapError } from '../status.ts';
import {
  Command,
  Extension,
  Permission,
  LargeBlobsRequest as Request,
  LargeBlobsResponse as Response,
} from '../wire.ts';

const hashLength = 16;
/** An empty CBOR array and its hash. */
const minLength = 1 + hashLength;
/** Bytes that a message may need besides its piece of the array. */
const messageOverhead = 64;

interface Options {
  readonly length: number | undefined;
  readonly pinUvAuthParam: Uint8Array | undefined;
  readonly pinUvAuthProtocol: number | undefined;
}

/** @throws CtapError as CTAP 2.1 §6.10.2 says. */
export async function largeBlobs(call: Call): Promise<CborMap | undefined> {
  const { parameters } = call;
  if (!call.policy.extensions.includes(Extension.largeBlobKey)) throw new CtapError('INVALID_COMMAND');
  const get = parameters.optional(Request.get, unsigned);
  const set = parameters.optional(Request.set, bytes);
  const offset = parameters.optional(Request.offset, unsigned);
  const options: Options = {
    length: parameters.optional(Request.length, unsigned),
    pinUvAuthParam: parameters.optional(Request.pinUvAuthParam, bytes),
    pinUvAuthProtocol: parameters.optional(Request.pinUvAuthProtocol, integer),
  };
  // Steps 1 to 3.
  if (offset === undefined || (get === undefined) === (set === undefined)) throw new CtapError('INVALID_PARAMETER');
  await call.openVault();
  return set ? write(call, set, offset, options) : read(call, get ?? 0, offset, options);
}

/** Step 4. A write that is under way goes on as if nothing had been read. */
function read({ environment, policy }: Call, get: number, offset: number, options: Options): CborMap {
  const { largeBlobArray } = environment.vault.device;
  if (Object.values(options).some((option) => option !== undefined)) throw new CtapError('INVALID_PARAMETER');
  if (get > policy.maxMsgSize - messageOverhead) throw new CtapError('INVALID_LENGTH');
  if (offset > largeBlobArray.length) throw new CtapError('INVALID_PARAMETER');
  return new Map([[Response.config, largeBlobArray.slice(offset, offset + get)]]);
}

/** Step 5. The array changes at once and as a whole, when its last piece is here and the hash fits. */
async function write(call: Call, set: Uint8Array, offset: number, options: Options): Promise<undefined> {
  const { context, environment, policy, session } = call;
  if (set.length > policy.maxMsgSize - messageOverhead) throw new CtapError('INVALID_LENGTH');
  const { received, expectedLength } = offset === 0 ? begin(call, options) : resume(call, offset, options);
  // Step 5.5.
  if (isProtected(call) || environment.vault.device.alwaysUv) {
    const message = signedMessage(offset, environment.crypto.sha256(set));
    authorize(call, { ...options, message, permission: Permission.lbw });
  }
  if (received.length + set.length > expectedLength) throw new CtapError('INVALID_PARAMETER');
  const largeBlobArray = concatBytes(received, set);
  if (largeBlobArray.length < expectedLength) {
    const expiresAt = environment.clock.monotonic() + policy.largeBlobWriteTimeoutMs;
    session.largeBlobWrite = { channel: context.channel, received: largeBlobArray, expectedLength, expiresAt };
    return;
  }
  session.largeBlobWrite = undefined;
  const hash = environment.crypto.sha256(largeBlobArray.subarray(0, -hashLength)).subarray(0, hashLength);
  if (!environment.crypto.equal(hash, largeBlobArray.subarray(-hashLength))) throw new CtapError('INTEGRITY_FAILURE');
  await call.commit((tx) => tx.setDevice({ largeBlobArray }));
}

/** Step 5.2. Whatever was under way is over, also if the new first piece is refused later. */
function begin({ policy, session }: Call, { length }: Options): Pick<LargeBlobWrite, 'received' | 'expectedLength'> {
  if (length === undefined) throw new CtapError('INVALID_PARAMETER');
  if (length > policy.maxSerializedLargeBlobArray) throw new CtapError('LARGE_BLOB_STORAGE_FULL');
  if (length < minLength) throw new CtapError('INVALID_PARAMETER');
  session.largeBlobWrite = undefined;
  return { received: new Uint8Array(), expectedLength: length };
}

/** Steps 5.3 and 5.4. A piece of another channel is none of this write. */
function resume({ context, environment, session }: Call, offset: number, { length }: Options): LargeBlobWrite {
  if (length !== undefined) throw new CtapError('INVALID_PARAMETER');
  const pending = session.largeBlobWrite;
  const isNext = pending?.channel === context.channel && pending.received.length === offset;
  if (!isNext || environment.clock.monotonic() > pending.expiresAt) throw new CtapError('INVALID_SEQ');
  return pending;
}

/** What pinUvAuthParam authenticates: 32 × FF, the command and 00, the offset in little-endian, the hash of the piece. */
function signedMessage(offset: number, hash: Uint8Array): Uint8Array {
  const start = new Uint8Array(38).fill(0xff, 0, 32);
  start[32] = Command.authenticatorLargeBlobs;
  new DataView(start.buffer).setUint32(34, offset, true);
  return concatBytes(start, hash);
}
