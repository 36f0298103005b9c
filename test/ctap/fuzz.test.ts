// Hostile hosts: random and mutated requests. Nothing throws, no answer is outside the tables, no request is a fault
// of ours, and the key works afterwards. The seed is fixed, so that a failure can be repeated.

import { expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { hmacSecretInput } from '../support/extension-client.ts';
import { seededRandom } from '../support/fake-environment.ts';
import { Command, descriptor, Key, map, user } from '../support/key.ts';
import { PinClient } from '../support/pin-client.ts';
import * as platform from '../support/platform.ts';

const statuses: readonly number[] = Object.values(Status);
const statusWords: readonly number[] = [0x9000, 0x6700, 0x6985, 0x6a80, 0x6a86, 0x6d00, 0x6e00];

/** Whole numbers below `limit`. */
function dice(seed: string): (limit: number) => number {
  const random = seededRandom(seed);
  const draw = () => Buffer.from(random(4096));
  let [pool, used] = [draw(), 0];
  return (limit) => {
    if (used + 4 > pool.length) [pool, used] = [draw(), 0];
    used += 4;
    return pool.readUInt32BE(used - 4) % limit;
  };
}

const interesting = [0, 0x17, 0x18, 0x1b, 0x40, 0x5f, 0x60, 0x7f, 0x80, 0x9b, 0xa0, 0xbf, 0xf4, 0xf7, 0xfb, 0xff];

/** Flips, overwrites, removes, inserts, or cuts off bytes. */
function mutate(original: Uint8Array, roll: (limit: number) => number): Uint8Array {
  let bytes: number[] = [...original];
  for (let changes = 1 + roll(3); changes > 0; changes--) {
    const at = roll(bytes.length + 1);
    switch (roll(5)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << roll(8));
        break;
      case 1:
        bytes[at] = interesting[roll(interesting.length)] ?? 0;
        break;
      case 2:
        bytes.splice(at, 1 + roll(4));
        break;
      case 3:
        bytes.splice(at, 0, ...Array.from({ length: 1 + roll(4) }, () => roll(256)));
        break;
      default:
        bytes = bytes.slice(0, at);
    }
  }
  return Uint8Array.from(bytes);
}

/** In place of `expect`, which takes longer than the request does. */
function reject(request: Uint8Array, answer: number): never {
  expect.fail(`0x${answer.toString(16)} is no answer to ${Buffer.from(request).toString('hex')}`);
}

async function expectWorking(key: Key): Promise<void> {
  key.gate.script = 'approved';
  const registration = await key.register({ 3: user('last'), 7: map({ rk: true }) });
  await key.signIn([registration], { 3: [descriptor(registration.credentialId)] });
  expect(key.environment.bugs).toEqual([]);
}

it('survives ten thousand random and mutated CBOR requests', async () => {
  const key = new Key({ crypto: createOpensslCrypto() });
  const { credentialId } = await key.register({ 7: map({ rk: true }) });
  const hash = platform.sha256('');
  const { coseKey: platformKey } = await new PinClient(key).agree();
  const agreement = await new PinClient(key, 1).agree();
  const persistentPinUvAuthToken = new Uint8Array(32);
  await key.environment.vault.update((tx) => tx.setDevice({ persistentPinUvAuthToken }));
  const manage = (subCommand: number) => {
    const params = new Map([[1, platform.sha256('example.org')]]);
    const message = Buffer.concat([Buffer.of(subCommand), platform.encode(params)]);
    const pinUvAuthParam = platform.authenticate(2, persistentPinUvAuthToken, message);
    return new Map<number, platform.Value>([
      [1, subCommand],
      [2, params],
      [3, 2],
      [4, pinUvAuthParam],
    ]);
  };
  const base = [
    platform.request(
      Command.makeCredential,
      new Map<number, platform.Value>([
        [1, hash],
        [2, map({ id: 'example.org', name: 'Exämple' })],
        [3, user('bob', { name: 'bob', displayName: 'B\u{f6}b' })],
        [4, [map({ alg: -257, type: 'public-key' }), map({ alg: -7, type: 'public-key' })]],
        [5, [descriptor(new Uint8Array(32)), map({ id: new Uint8Array(16), type: 'public-key', transports: ['usb'] })]],
        [6, map({ credBlob: Buffer.of(1), credProtect: 2, 'hmac-secret': true, largeBlobKey: true })],
        [7, map({ rk: true, up: true, uv: false })],
        [0x0b, ['packed', 'none']],
      ]),
    ),
    platform.request(
      Command.getAssertion,
      new Map<number, platform.Value>([
        [1, 'example.org'],
        [2, hash],
        [3, [descriptor(credentialId)]],
        [4, map({ credBlob: true, 'hmac-secret': hmacSecretInput(agreement, hash), largeBlobKey: true })],
        [5, map({ up: true })],
      ]),
    ),
    ...[3, 4, 5, 6, 9].map((subCommand) =>
      platform.request(
        0x06,
        new Map<number, platform.Value>([
          [1, 2],
          [2, subCommand],
          [3, platformKey],
          [4, new Uint8Array(32)],
          [5, new Uint8Array(80)],
          [6, new Uint8Array(32)],
          ...(subCommand === 5 ? [] : [[9, 4] as const]),
        ]),
      ),
    ),
    platform.request(
      0x0d,
      new Map<number, platform.Value>([
        [1, 3],
        [2, new Map([[1, 5]])],
        [3, 1],
        [4, new Uint8Array(16)],
      ]),
    ),
    platform.request(
      Command.getAssertion,
      new Map<number, platform.Value>([
        [1, 'example.org'],
        [2, hash],
      ]),
    ),
    platform.request(
      Command.largeBlobs,
      new Map<number, platform.Value>([
        [1, 17],
        [3, 0],
      ]),
    ),
    platform.request(
      Command.largeBlobs,
      new Map<number, platform.Value>([
        [2, hash],
        [3, 0],
        [4, 64],
      ]),
    ),
    platform.request(
      Command.largeBlobs,
      new Map<number, platform.Value>([
        [2, hash],
        [3, 32],
      ]),
    ),
    ...[1, 2, 3, 4, 5].map((subCommand) => platform.request(Command.credentialManagement, manage(subCommand))),
    platform.request(Command.getInfo, new Map()),
    platform.request(Command.getNextAssertion),
    platform.request(Command.selection),
    platform.request(Command.reset),
  ];
  const roll = dice('cbor');
  const answers = ['approved', 'approved', 'declined', 'timed-out', 'cancelled'] as const;
  const seen = new Set<number>();
  for (let i = 0; i < 10_000; i++) {
    key.gate.script = answers[roll(answers.length)] ?? 'approved';
    const request =
      roll(4) === 0
        ? Uint8Array.from({ length: roll(120) }, () => roll(256))
        : mutate(base[roll(base.length)] ?? new Uint8Array(), roll);
    const { status } = await key.raw(request, key.context(roll(3)));
    if (!statuses.includes(status) || status === Status.OTHER) reject(request, status);
    seen.add(status);
  }
  // The mutants reach beyond the parser.
  for (const status of [Status.OK, Status.INVALID_CBOR, Status.CBOR_UNEXPECTED_TYPE, Status.NO_CREDENTIALS]) {
    expect(seen).toContain(status);
  }
  await expectWorking(key);
});

it('survives ten thousand random and mutated APDUs', async () => {
  const key = new Key({ crypto: createOpensslCrypto() });
  const [challenge, application] = [platform.sha256('challenge'), platform.sha256('example.org')];
  const { credentialId } = await key.register();
  const base = [
    platform.registerApdu(challenge, application),
    ...[0x03, 0x07, 0x08].map((control) => platform.authenticateApdu(control, challenge, application, credentialId)),
    platform.apdu(0x03, 0),
  ];
  const roll = dice('apdu');
  const answers = ['approved', 'declined', 'timed-out', 'nothing'] as const;
  const seen = new Set<number>();
  for (let i = 0; i < 10_000; i++) {
    key.gate.script = answers[roll(answers.length)] ?? 'approved';
    key.environment.clock.time += roll(2000);
    const apdu =
      roll(4) === 0
        ? Uint8Array.from({ length: roll(80) }, (_, at) => (at === 0 ? 0 : roll(256)))
        : mutate(base[roll(base.length)] ?? new Uint8Array(), roll);
    const { word } = await key.u2f(apdu);
    if (!statusWords.includes(word)) reject(apdu, word);
    seen.add(word);
  }
  for (const word of statusWords) expect(seen).toContain(word);
  expect(key.gate.open).toBeLessThanOrEqual(1);
  await expectWorking(key);
});
