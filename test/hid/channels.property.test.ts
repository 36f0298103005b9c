// No byte stream throws, and behind any of them the key still answers INIT and PING.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { channelIds } from '../../hid/channel-ids.ts';
import { ChannelMachine, type Outcome } from '../../hid/channels.ts';
import { splitMessage } from '../../hid/packet.ts';
import { ProcessingLock } from '../../hid/processing-lock.ts';
import { broadcastChannel, Command, maxMessageSize } from '../../hid/wire.ts';

const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const knownChannels = [1, 2, 3];

const channel = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...knownChannels) },
  fc.constantFrom(0, 9, 0xffffffff),
);
const command = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...Object.values(Command)) }, fc.nat(0x7f));
const payload = fc.oneof(
  fc.uint8Array({ maxLength: 10 }),
  fc.constant(nonce),
  fc.nat(400).map((length) => new Uint8Array(length)),
);
const randomReport = fc.uint8Array({ minLength: 64, maxLength: 64 });
const validMessage = fc.tuple(channel, command, payload).map((parts) => splitMessage(...parts));
/** A message that lacks a packet, has one twice or out of order, or has a byte changed. */
const mutatedMessage = fc.tuple(validMessage, fc.nat(), fc.nat(63), fc.nat(255), fc.nat(3)).map(mutate);

type Step = { reports: Uint8Array[] } | { waitMs: number } | { settle: true };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ reports: fc.array(randomReport, { maxLength: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ reports: validMessage }) },
  { weight: 6, arbitrary: fc.record({ reports: mutatedMessage }) },
  { weight: 1, arbitrary: fc.record({ waitMs: fc.nat(700) }) },
  { weight: 1, arbitrary: fc.constant({ settle: true as const }) },
);

function mutate([reports, where, offset, value, how]: [Uint8Array[], number, number, number, number]): Uint8Array[] {
  const at = where % reports.length;
  switch (how) {
    case 0:
      return reports.toSpliced(at, 1);
    case 1:
      return reports.toSpliced(at, 0, ...reports.slice(at, at + 1));
    case 2:
      return reports.toReversed();
    default:
      return reports.map((report, i) => (i === at ? report.with(offset, value) : report));
  }
}

it('survives ten thousand random and mutated reports, and answers INIT and PING behind them', () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 60, size: 'max' }), (steps) => {
      const machine = new ChannelMachine({
        version: { major: 1, minor: 0, build: 0 },
        nextChannelId: channelIds(0),
        processing: new ProcessingLock(),
      });
      let now = 0;
      let running = 0;
      const note = (outcomes: readonly Outcome[]) => {
        for (const outcome of outcomes) {
          if (outcome.kind === 'request') running++;
          if (outcome.kind === 'send') expect(outcome.payload.length).toBeLessThanOrEqual(maxMessageSize);
        }
        expect(running).toBeLessThanOrEqual(1);
      };
      const take = (reports: readonly Uint8Array[]) => reports.flatMap((report) => machine.receive(report, now));
      const settle = () => {
        if (running === 0) return;
        running--;
        note(machine.settle());
      };
      for (const _ of knownChannels) take(splitMessage(broadcastChannel, Command.INIT, nonce));

      for (const each of steps) {
        if ('reports' in each) {
          taken += each.reports.length;
          note(take(each.reports));
        } else if ('waitMs' in each) {
          now += each.waitMs;
          note(machine.tick(now));
        } else {
          settle();
        }
      }

      now += 10_000; // longer than any lock
      machine.tick(now);
      const [answer] = take(splitMessage(broadcastChannel, Command.INIT, nonce));
      if (answer?.kind !== 'send') expect.fail('INIT was not answered');
      const own = new DataView(answer.payload.buffer).getUint32(8);
      const long = new Uint8Array(1024).fill(7);
      expect(take(splitMessage(own, Command.PING, long))).toEqual([
        { kind: 'send', channel: own, command: Command.PING, payload: long },
      ]);
      settle();
      settle();
      expect(take(splitMessage(own, Command.CBOR, long))).toMatchObject([{ kind: 'request', channel: own }]);
    }),
    { numRuns: 300 },
  );
  expect(taken).toBeGreaterThan(10_000);
});
