import { createHash, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import {
  openLargeBlob,
  parseLargeBlobs,
  sealLargeBlob,
  serializeLargeBlobs,
  withHash,
} from '../../support/extension-client.ts';
import { type Changes, Command, Key, map } from '../../support/key.ts';
import { Permission, PinClient, type Token } from '../../support/pin-client.ts';
import type { Response, Value } from '../../support/platform.ts';

/** An empty array and its hash. CTAP 2.1 §6.10.2. */
const initial = Buffer.from('8076be8b528d0075f7aae98d6fa57a6d3c', 'hex');
const fragment = 7609 - 64;
const capacity = 16_384;

function send(key: Key, parameters: Changes, context = key.context()): Promise<Response> {
  const members = Object.entries(parameters).filter((entry): entry is [string, Value] => entry[1] !== undefined);
  return key.send(Command.largeBlobs, new Map(members.map(([name, value]) => [Number(name), value])), context);
}

async function status(key: Key, parameters: Changes, context = key.context()): Promise<number> {
  return (await send(key, parameters, context)).status;
}

async function readAll(key: Key): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ; offset += fragment) {
    const { members } = await send(key, { 1: fragment, 3: offset });
    const piece = members.get(1);
    if (!(piece instanceof Uint8Array)) throw new Error('nothing read');
    pieces.push(piece);
    if (piece.length < fragment) return Buffer.concat(pieces);
  }
}

/** Members 05 and 06 for one piece. CTAP 2.1 §6.10.2 step 5.5. */
function signed(token: Token, set: Uint8Array, offset: number): Changes {
  const start = Buffer.concat([Buffer.alloc(32, 0xff), Buffer.of(0x0c, 0x00), Buffer.alloc(4)]);
  start.writeUInt32LE(offset, 34);
  return {
    5: token.authenticate(Buffer.concat([start, createHash('sha256').update(set).digest()])),
    6: token.protocol,
  };
}

/** Writes an array in pieces of at most `size` bytes; gives back the status of each. */
async function write(key: Key, array: Uint8Array, size = fragment, token?: Token): Promise<number[]> {
  const statuses: number[] = [];
  for (let offset = 0; offset < array.length; offset += size) {
    const set = array.subarray(offset, offset + size);
    const length = offset === 0 ? array.length : undefined;
    statuses.push(await status(key, { 2: set, 3: offset, 4: length, ...(token && signed(token, set, offset)) }));
  }
  return statuses;
}

describe('largeBlobs reads', () => {
  it('an empty byte string for no bytes, and at the very end (LB-01)', async () => {
    const key = new Key();
    for (const parameters of [
      { 1: 0, 3: 0 },
      { 1: 5, 3: 17 },
    ] as Changes[]) {
      expect(await send(key, parameters)).toEqual({ status: Status.OK, members: new Map([[1, new Uint8Array()]]) });
    }
  });

  it('exactly the initial array from a fresh key, also when asked for more (LB-02)', async () => {
    const { members } = await send(new Key(), { 1: fragment, 3: 0 });
    expect(members).toEqual(new Map([[1, new Uint8Array(initial)]]));
  });

  it('the initial array again after a reset', async () => {
    const key = new Key();
    await write(key, withHash(randomBytes(100)));
    expect(await status(key, {})).not.toBe(Status.OK);
    expect((await key.send(Command.reset)).status).toBe(Status.OK);
    expect(await readAll(key)).toEqual(initial);
  });

  const refusals: [string, Changes, number][] = [
    ['no offset (LB-06)', { 1: 17 }, Status.INVALID_PARAMETER],
    ['neither get nor set (LB-06)', { 3: 0 }, Status.INVALID_PARAMETER],
    ['both get and set (LB-06)', { 1: 17, 2: initial, 3: 0, 4: 17 }, Status.INVALID_PARAMETER],
    ['a length (LB-06)', { 1: 17, 3: 0, 4: 17 }, Status.INVALID_PARAMETER],
    ['a pinUvAuthParam (LB-06)', { 1: 17, 3: 0, 5: new Uint8Array(32) }, Status.INVALID_PARAMETER],
    ['a pinUvAuthProtocol (LB-06)', { 1: 17, 3: 0, 6: 2 }, Status.INVALID_PARAMETER],
    ['an offset behind the array (LB-06)', { 1: 1, 3: 18 }, Status.INVALID_PARAMETER],
    ['an offset of 2^53 - 1', { 1: 1, 3: Number.MAX_SAFE_INTEGER }, Status.INVALID_PARAMETER],
    ['more than a message holds (LB-07)', { 1: fragment + 1, 3: 0 }, Status.INVALID_LENGTH],
    ['a get of text', { 1: '17', 3: 0 }, Status.CBOR_UNEXPECTED_TYPE],
    ['a negative get', { 1: -1, 3: 0 }, Status.CBOR_UNEXPECTED_TYPE],
    ['an offset of bytes', { 1: 17, 3: initial }, Status.CBOR_UNEXPECTED_TYPE],
  ];
  for (const [what, parameters, expected] of refusals) {
    it(`not with ${what}`, async () => {
      expect(await status(new Key(), parameters)).toBe(expected);
    });
  }
});

describe('largeBlobs writes', () => {
  it('an array in one piece, whatever is in it, and reads it back whole and in slices (LB-03)', async () => {
    const key = new Key();
    const array = withHash(randomBytes(900));
    expect(await write(key, array)).toEqual([Status.OK]);
    expect(await readAll(key)).toEqual(array);
    const { members } = await send(key, { 1: 100, 3: 250 });
    expect(members.get(1)).toEqual(new Uint8Array(array.subarray(250, 350)));
    expect(key.gate.prompts).toEqual([]);
  });

  it('answers with the status alone', async () => {
    expect((await send(new Key(), { 2: initial, 3: 0, 4: 17 })).members.size).toBe(0);
  });

  it('an array in several pieces, the old one in force until the last is there (LB-04)', async () => {
    const key = new Key();
    const array = withHash(randomBytes(300));
    for (const [offset, length] of [
      [0, 316],
      [150, undefined],
    ] as const) {
      expect(await readAll(key)).toEqual(initial);
      expect(await status(key, { 2: array.subarray(offset, offset + 150), 3: offset, 4: length })).toBe(Status.OK);
    }
    expect(await readAll(key)).toEqual(initial);
    expect(await status(key, { 2: array.subarray(300), 3: 300 })).toBe(Status.OK);
    expect(await readAll(key)).toEqual(array);
  });

  it('anew from offset 0, which ends an unfinished write (LB-04)', async () => {
    const key = new Key();
    const [old, array] = [withHash(randomBytes(300)), withHash(randomBytes(200))];
    expect(await status(key, { 2: old.subarray(0, 100), 3: 0, 4: old.length })).toBe(Status.OK);
    expect(await status(key, { 2: array.subarray(0, 100), 3: 0, 4: array.length })).toBe(Status.OK);
    expect(await status(key, { 2: array.subarray(100), 3: 100 })).toBe(Status.OK);
    expect(await readAll(key)).toEqual(array);
  });

  it('the largest array that getInfo promises, and is refused one more byte (LB-09)', async () => {
    const key = new Key();
    const array = withHash(randomBytes(capacity - 16));
    expect(await write(key, array)).toEqual([0, 0, 0]);
    expect(await readAll(key)).toEqual(array);
    const more = { 2: new Uint8Array(100), 3: 0, 4: capacity + 1 };
    expect(await status(key, more)).toBe(Status.LARGE_BLOB_STORAGE_FULL);
    expect(await readAll(key)).toEqual(array);
  });

  const first = { 2: new Uint8Array(20), 3: 0, 4: 40 };
  const later = { 2: new Uint8Array(20), 3: 20 };
  const refusals: [string, Changes[], number][] = [
    ['a first piece without length (LB-08)', [{ ...first, 4: undefined }], Status.INVALID_PARAMETER],
    ['a length below 17 (LB-08)', [{ 2: new Uint8Array(16), 3: 0, 4: 16 }], Status.INVALID_PARAMETER],
    ['a later piece with length (LB-08)', [first, { ...later, 4: 40 }], Status.INVALID_PARAMETER],
    ['more than announced at once (LB-08)', [{ ...first, 4: 19 }], Status.INVALID_PARAMETER],
    ['more than announced in the end (LB-08)', [first, { ...later, 2: new Uint8Array(21) }], Status.INVALID_PARAMETER],
    ['a piece that leaves a gap (LB-05)', [first, { ...later, 3: 21 }], Status.INVALID_SEQ],
    ['a piece that overlaps (LB-05)', [first, { ...later, 3: 19 }], Status.INVALID_SEQ],
    ['a later piece without a first (LB-05)', [later], Status.INVALID_SEQ],
    ['a later piece at 2^32 + 20 (LB-05)', [first, { ...later, 3: 2 ** 32 + 20 }], Status.INVALID_SEQ],
    ['a piece longer than a message holds (LB-07)', [{ ...first, 2: new Uint8Array(fragment + 1), 4: 9000 }], 0x03],
    ['a hash that does not fit (LB-10)', [first, later], Status.INTEGRITY_FAILURE],
    ['a set of text', [{ ...first, 2: 'x' }], Status.CBOR_UNEXPECTED_TYPE],
    ['a length of text', [{ ...first, 4: '40' }], Status.CBOR_UNEXPECTED_TYPE],
  ];
  for (const [what, requests, expected] of refusals) {
    it(`not with ${what}, and keeps the old array`, async () => {
      const key = new Key();
      const old = withHash(randomBytes(50));
      await write(key, old);
      const statuses: number[] = [];
      for (const parameters of requests) statuses.push(await status(key, parameters));
      expect(statuses).toEqual([...requests.slice(1).map(() => Status.OK), expected]);
      expect(await readAll(key)).toEqual(old);
    });
  }

  it('goes on after a later piece that was refused for its form or place', async () => {
    const key = new Key();
    const array = withHash(randomBytes(60));
    await status(key, { 2: array.subarray(0, 40), 3: 0, 4: array.length });
    expect(await status(key, { 2: array.subarray(40), 3: 41 })).toBe(Status.INVALID_SEQ);
    expect(await status(key, { 2: new Uint8Array(99), 3: 40 })).toBe(Status.INVALID_PARAMETER);
    expect(await status(key, { 2: array.subarray(40), 3: 40 })).toBe(Status.OK);
    expect(await readAll(key)).toEqual(array);
  });

  it('cannot go on after the hash failed', async () => {
    const key = new Key();
    await status(key, first);
    expect(await status(key, later)).toBe(Status.INTEGRITY_FAILURE);
    expect(await status(key, later)).toBe(Status.INVALID_SEQ);
  });

  const interruptions: [string, (key: Key) => unknown][] = [
    ['a power cycle (LB-04)', (key) => key.authenticator.powerCycle()],
    ['another command', (key) => key.send(Command.getInfo)],
    ['a U2F command', (key) => key.u2f(Buffer.of(0, 3, 0, 0, 0, 0, 0))],
    ['31 seconds', (key) => (key.environment.clock.time += 30_001)],
    ['a first piece of another channel', (key) => status(key, first, key.context(2))],
    ['a new first piece, also one that is refused', (key) => status(key, { ...first, 4: 19 })],
  ];
  for (const [what, interrupt] of interruptions) {
    it(`loses an unfinished write by ${what}`, async () => {
      const key = new Key();
      const array = withHash(randomBytes(24));
      await status(key, { 2: array.subarray(0, 20), 3: 0, 4: 40 });
      await interrupt(key);
      expect(await status(key, { 2: array.subarray(20), 3: 20 })).toBe(Status.INVALID_SEQ);
      expect(await readAll(key)).toEqual(initial);
    });
  }

  it('does not mix the pieces of two channels', async () => {
    const key = new Key();
    const array = withHash(randomBytes(24));
    await status(key, { 2: array.subarray(0, 20), 3: 0, 4: 40 });
    expect(await status(key, { 2: array.subarray(20), 3: 20 }, key.context(2))).toBe(Status.INVALID_SEQ);
    expect(await status(key, { 2: array.subarray(20), 3: 20 })).toBe(Status.OK);
    expect(await readAll(key)).toEqual(array);
  });

  it('keeps the old array if the vault fails, and takes the new one afterwards', async () => {
    const key = new Key();
    const array = withHash(randomBytes(24));
    key.environment.vault.failure = new Error('disk full');
    expect(await write(key, array)).toEqual([Status.OTHER]);
    expect(await readAll(key)).toEqual(initial);
    expect(await write(key, array)).toEqual([Status.OK]);
    expect(await readAll(key)).toEqual(array);
  });

  it('needs no token without PIN, but always under alwaysUv (LB-11)', async () => {
    const key = new Key();
    await key.environment.vault.update((tx) => tx.setDevice({ alwaysUv: true }));
    expect(await status(key, { 2: initial, 3: 0, 4: 17 })).toBe(Status.PUAT_REQUIRED);
  });

  for (const protocol of [1, 2] as const) {
    describe(`with a PIN, protocol ${protocol}`, () => {
      async function protectedKey(permissions: number = Permission.lbw) {
        const key = new Key();
        const client = new PinClient(key, protocol);
        await client.setPin('1234');
        return { key, token: await client.token('1234', permissions) };
      }

      it('an array in pieces, each with the token (LB-04, LB-11)', async () => {
        const { key, token } = await protectedKey();
        const array = withHash(randomBytes(500));
        expect(await write(key, array, 200, token)).toEqual([0, 0, 0]);
        expect(await readAll(key)).toEqual(array);
      });

      it('refuses what the token does not authorize, in the order of the specification (LB-11)', async () => {
        const { key, token } = await protectedKey();
        const base = { 2: initial, 3: 0, 4: 17 };
        const good = signed(token, initial, 0);
        for (const [changes, expected] of [
          [{}, Status.PUAT_REQUIRED],
          [{ 6: 9 }, Status.PUAT_REQUIRED],
          [{ ...good, 6: undefined }, Status.MISSING_PARAMETER],
          [{ ...good, 6: 3 }, Status.INVALID_PARAMETER],
          [{ ...good, 6: 0 }, Status.INVALID_PARAMETER],
          [{ ...good, 6: 3 - protocol }, Status.PIN_AUTH_INVALID],
          [{ ...good, 5: new Uint8Array(protocol * 16) }, Status.PIN_AUTH_INVALID],
          [{ ...good, 5: new Uint8Array(0) }, Status.PIN_AUTH_INVALID],
          [signed(token, initial, 1), Status.PIN_AUTH_INVALID],
          [signed(token, withHash(Buffer.of(1)), 0), Status.PIN_AUTH_INVALID],
          [good, Status.OK],
        ] as [Changes, number][]) {
          expect(await status(key, { ...base, ...changes }), JSON.stringify(changes)).toBe(expected);
        }
      });

      it('refuses a token without the permission lbw (LB-11, PIN-PRM-05)', async () => {
        const { key, token } = await protectedKey(Permission.mc | Permission.ga);
        const request = { 2: initial, 3: 0, 4: 17, ...signed(token, initial, 0) };
        expect(await status(key, request)).toBe(Status.PIN_AUTH_INVALID);
      });

      it('a token keeps lbw when a registration has spent the rest (PIN-PRM-06)', async () => {
        const { key, token } = await protectedKey(Permission.mc | Permission.lbw);
        expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.OK);
        expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
        expect(await write(key, withHash(randomBytes(30)), 100, token)).toEqual([Status.OK]);
      });

      it('reading needs no token', async () => {
        const { key } = await protectedKey();
        expect(await readAll(key)).toEqual(initial);
      });
    });
  }
});

it('carries a blob from one platform to another, encrypted under the largeBlobKey', async () => {
  const key = new Key();
  const registration = await key.register({ 6: map({ largeBlobKey: true }), 7: map({ rk: true }) });
  if (!registration.largeBlobKey) throw new Error('no largeBlobKey');
  const foreign = sealLargeBlob(randomBytes(32), Buffer.from('of another credential'));
  const own = sealLargeBlob(registration.largeBlobKey, Buffer.from('a certificate'));
  await write(key, serializeLargeBlobs([foreign, own]));

  const { largeBlobKey } = await key.signIn([registration], { 4: map({ largeBlobKey: true }) });
  if (!largeBlobKey) throw new Error('no largeBlobKey');
  const opened = parseLargeBlobs(await readAll(key)).map((element) => openLargeBlob(largeBlobKey, element));
  expect(opened).toEqual([undefined, Buffer.from('a certificate')]);
});

it('never has anything but the last array that was written whole, whatever is sent in whatever order', async () => {
  const piece = fc.record({
    channel: fc.constantFrom(1, 2),
    set: fc.uint8Array({ maxLength: 40 }),
    offset: fc.nat(60),
    length: fc.option(fc.nat(100), { nil: undefined }),
  });
  // Arrays that are right are cut into pieces and then disturbed, so that many of them arrive and many do not.
  const disturbance = fc.constantFrom('none', 'drop', 'repeat', 'flip', 'other-channel', 'get-info', 'read', 'replug');
  const wholeWrite = fc.record({
    content: fc.uint8Array({ minLength: 1, maxLength: 100 }),
    size: fc.integer({ min: 1, max: 60 }),
    disturbances: fc.array(disturbance, { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(piece, wholeWrite), { maxLength: 12 }), async (steps) => {
      const key = new Key();
      const written = new Set([initial.toString('hex')]);
      let stored = initial.toString('hex');
      const check = async () => {
        const now = Buffer.from(await readAll(key)).toString('hex');
        expect(written).toContain(now);
        return now;
      };
      for (const step of steps) {
        if ('set' in step) {
          await status(key, { 2: step.set, 3: step.offset, 4: step.length }, key.context(step.channel));
          expect(await check()).toBe(stored); // random bytes never have the right hash
          continue;
        }
        const array = withHash(step.content);
        written.add(Buffer.from(array).toString('hex'));
        let isWhole = true;
        for (let offset = 0, i = 0; offset < array.length; offset += step.size, i++) {
          const what = step.disturbances[i] ?? 'none';
          const set = Buffer.from(array.subarray(offset, offset + step.size));
          if (what === 'drop') continue;
          if (what === 'flip') set[0] = (set[0] ?? 0) ^ 1;
          if (what === 'get-info') await key.send(Command.getInfo);
          if (what === 'replug') key.authenticator.powerCycle();
          if (what === 'read') await check();
          const context = key.context(what === 'other-channel' ? 2 : 1);
          const request = { 2: set, 3: offset, 4: offset === 0 ? array.length : undefined };
          const first = await status(key, request, context);
          if (what === 'repeat') await status(key, request, context);
          isWhole = first === Status.OK && what !== 'flip';
        }
        if (isWhole && step.disturbances.every((what) => what === 'none' || what === 'read')) {
          expect(await check()).toBe(Buffer.from(array).toString('hex'));
        }
        stored = await check();
      }
      expect(key.environment.bugs).toEqual([]);
    }),
    { numRuns: 150 },
  );
});
