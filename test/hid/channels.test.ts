import { describe, expect, it } from 'vitest';
import { channelIds } from '../../hid/channel-ids.ts';
import { ChannelMachine, maxChannels, type Outcome } from '../../hid/channels.ts';
import { splitMessage } from '../../hid/packet.ts';
import { ProcessingLock } from '../../hid/processing-lock.ts';
import { broadcastChannel, Command, ErrorCode } from '../../hid/wire.ts';

const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const first = 0x100;
const second = 0x101;
const never = 0x999;

/** A machine with a clock and two channels, `first` and `second`, already given out. */
function bench(processing = new ProcessingLock()) {
  const machine = new ChannelMachine({
    version: { major: 5, minor: 6, build: 7 },
    nextChannelId: channelIds(first - 1),
    processing,
  });
  let now = 1000;
  const take = (reports: readonly Uint8Array[]) => reports.flatMap((report) => machine.receive(report, now));
  const send = (channel: number, command: number, payload: ArrayLike<number> = []) =>
    take(splitMessage(channel, command, Uint8Array.from(payload)));
  const wait = (ms: number) => {
    now += ms;
    return machine.tick(now);
  };
  send(broadcastChannel, Command.INIT, nonce);
  send(broadcastChannel, Command.INIT, nonce);
  return { machine, take, send, wait };
}

const sent = (channel: number, command: number, payload: ArrayLike<number> = []): Outcome => ({
  kind: 'send',
  channel,
  command,
  payload: Uint8Array.from(payload),
});
const failed = (channel: number, code: number) => sent(channel, Command.ERROR, [code]);
const requested = (channel: number, payload: number[], isCancelled = false): Outcome => ({
  kind: 'request',
  channel,
  command: Command.CBOR,
  payload: Uint8Array.from(payload),
  isCancelled,
});
const initAnswer = (channel: number, own: number) =>
  sent(channel, Command.INIT, [...nonce, 0, 0, own >> 8, own & 0xff, 2, 5, 6, 7, 0x05]);
const longPing = splitMessage(
  first,
  Command.PING,
  Uint8Array.from({ length: 1024 }, (_, i) => i & 0xff),
);
const [pingStart = new Uint8Array(64), pingNext = new Uint8Array(64), pingThird = new Uint8Array(64)] = longPing;

describe('INIT', () => {
  it('gives out a new channel each time, answers on broadcast, and offers WINK and CBOR only (HID-03, HID-04)', () => {
    const { send } = bench();
    expect(send(broadcastChannel, Command.INIT, nonce)).toEqual([initAnswer(broadcastChannel, 0x102)]);
    expect(send(broadcastChannel, Command.INIT, nonce)).toEqual([initAnswer(broadcastChannel, 0x103)]);
  });

  it('answers on a known channel with the same channel (HID-05)', () => {
    expect(bench().send(first, Command.INIT, nonce)).toEqual([initAnswer(first, first)]);
  });

  it('drops the half-received message of its channel (HID-07)', () => {
    const { take, send } = bench();
    take(longPing.slice(0, -1));
    expect(send(first, Command.INIT, nonce)).toEqual([initAnswer(first, first)]);
    expect(take(longPing.slice(-1))).toEqual([]);
    expect(send(first, Command.PING, [1])).toEqual([sent(first, Command.PING, [1])]);
  });

  it('aborts the request that its channel has running, once (HID-07)', () => {
    const { send } = bench();
    send(first, Command.CBOR, [4]);
    expect(send(first, Command.INIT, nonce)).toEqual([{ kind: 'abort' }, initAnswer(first, first)]);
    expect(send(first, Command.INIT, nonce)).toEqual([initAnswer(first, first)]);
  });

  it('leaves the running request of another channel alone', () => {
    const { send } = bench();
    send(first, Command.CBOR, [4]);
    expect(send(second, Command.INIT, nonce)).toEqual([initAnswer(second, second)]);
  });

  it.each([0, 7, 9])('refuses a nonce of %i bytes (HID-12)', (length) => {
    const { send } = bench();
    expect(send(broadcastChannel, Command.INIT, new Uint8Array(length))).toEqual([
      failed(broadcastChannel, ErrorCode.INVALID_LEN),
    ]);
    expect(send(first, Command.INIT, new Uint8Array(length))).toEqual([failed(first, ErrorCode.INVALID_LEN)]);
  });

  it('gives the least recently used channel to somebody else when there are too many', () => {
    const { send } = bench();
    send(first, Command.PING);
    for (let i = 2; i < maxChannels + 1; i++) send(broadcastChannel, Command.INIT, nonce);
    expect(send(first, Command.PING)).toEqual([sent(first, Command.PING)]);
    expect(send(second, Command.PING)).toEqual([failed(second, ErrorCode.INVALID_CHANNEL)]);
  });

  it('never takes the channel of a running request away', () => {
    const { send } = bench();
    send(first, Command.CBOR, [4]);
    for (let i = 0; i < 2 * maxChannels; i++) send(broadcastChannel, Command.INIT, nonce);
    expect(send(first, Command.CANCEL)).toEqual([{ kind: 'cancel' }]);
  });

  it('skips an id that is still given out when the numbers start again', () => {
    const machine = new ChannelMachine({
      version: { major: 0, minor: 0, build: 0 },
      nextChannelId: (() => {
        const ids = [7, 7, 7, 8];
        return () => ids.shift() ?? 0;
      })(),
      processing: new ProcessingLock(),
    });
    const ids = [1, 2].map(() => {
      const [report = new Uint8Array(64)] = splitMessage(broadcastChannel, Command.INIT, nonce);
      const [answer] = machine.receive(report, 0);
      return answer?.kind === 'send' ? answer.payload[11] : undefined;
    });
    expect(ids).toEqual([7, 8]);
  });
});

describe('PING', () => {
  it.each([0, 1, 57, 58, 1024, 7609])('comes back with the same %i bytes (HID-06)', (length) => {
    const payload = Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff);
    expect(bench().send(first, Command.PING, payload)).toEqual([sent(first, Command.PING, payload)]);
  });
});

describe('broken messages', () => {
  it('ignores a continuation packet while idle, on any channel (HID-02)', () => {
    const { take } = bench();
    for (const channel of [first, never, 0, broadcastChannel]) {
      expect(take(splitMessage(channel, Command.PING, new Uint8Array(100)).slice(1))).toEqual([]);
    }
  });

  it('answers a wrong sequence number with INVALID_SEQ and is idle then (HID-08)', () => {
    const { take, send } = bench();
    expect(take([pingStart, pingThird])).toEqual([failed(first, ErrorCode.INVALID_SEQ)]);
    expect(take([pingNext])).toEqual([]);
    expect(send(first, Command.PING, [1])).toEqual([sent(first, Command.PING, [1])]);
  });

  it.each([
    ['KEEPALIVE', Command.KEEPALIVE],
    ['ERROR', Command.ERROR],
    ['a number without meaning', 0x02],
    ['a vendor command', 0x40],
  ])('answers %s with INVALID_CMD (HID-09)', (_, command) => {
    expect(bench().send(first, command, [1])).toEqual([failed(first, ErrorCode.INVALID_CMD)]);
  });

  it.each([
    ['INIT', Command.INIT, nonce],
    ['PING', Command.PING, [1]],
  ])('answers %s on channel 0 with INVALID_CHANNEL, there (HID-10)', (_, command, payload) => {
    expect(bench().send(0, command, payload)).toEqual([failed(0, ErrorCode.INVALID_CHANNEL)]);
  });

  it('answers anything but INIT on broadcast with INVALID_CHANNEL (HID-11)', () => {
    for (const command of [Command.PING, Command.CBOR, Command.CANCEL, 0x40]) {
      expect(bench().send(broadcastChannel, command, [1])).toEqual([
        failed(broadcastChannel, ErrorCode.INVALID_CHANNEL),
      ]);
    }
  });

  it('answers every command on a channel never given out with INVALID_CHANNEL (HID-11)', () => {
    for (const command of [Command.INIT, Command.PING, Command.CBOR, Command.CANCEL, 0x40]) {
      expect(bench().send(never, command, nonce)).toEqual([failed(never, ErrorCode.INVALID_CHANNEL)]);
    }
  });

  it.each([Command.CBOR, Command.MSG])('answers command %i without payload with INVALID_LEN (HID-12)', (command) => {
    expect(bench().send(first, command)).toEqual([failed(first, ErrorCode.INVALID_LEN)]);
  });

  it('answers a length of 7610 with INVALID_LEN at its first packet (HID-12)', () => {
    const { take } = bench();
    const report = pingStart.slice();
    report.set([0x1d, 0xba], 5);
    expect(take([report, pingNext])).toEqual([failed(first, ErrorCode.INVALID_LEN)]);
  });

  it('answers another command behind an unfinished message with INVALID_SEQ, and drops both (HID-15)', () => {
    const { take, send } = bench();
    take([pingStart]);
    expect(send(first, Command.PING, [1])).toEqual([failed(first, ErrorCode.INVALID_SEQ)]);
    expect(take([pingNext])).toEqual([]);
  });
});

describe('the transaction timeout', () => {
  it('ends an unfinished message 500 ms after its last packet (HID-13)', () => {
    const { machine, take, send, wait } = bench();
    take([pingStart]);
    expect(wait(499)).toEqual([]);
    take([pingNext]);
    expect(wait(499)).toEqual([]);
    expect(wait(1)).toEqual([failed(first, ErrorCode.MSG_TIMEOUT)]);
    expect(machine.deadline).toBeUndefined();
    expect(wait(1000)).toEqual([]);
    expect(send(first, Command.PING, [1])).toEqual([sent(first, Command.PING, [1])]);
  });

  it('has no deadline while idle or processing (HID-01)', () => {
    const { machine, send, wait } = bench();
    expect(machine.deadline).toBeUndefined();
    send(first, Command.CBOR, [4]);
    expect(machine.deadline).toBeUndefined();
    expect(wait(100_000)).toEqual([]);
  });
});

describe('while a message is being received', () => {
  it('tells another channel CHANNEL_BUSY, and goes on undisturbed (HID-14)', () => {
    const { take, send } = bench();
    take(longPing.slice(0, 3));
    expect(send(second, Command.PING, [1])).toEqual([failed(second, ErrorCode.CHANNEL_BUSY)]);
    expect(send(second, Command.CBOR, [4])).toEqual([failed(second, ErrorCode.CHANNEL_BUSY)]);
    expect(take(longPing.slice(3))).toMatchObject([{ command: Command.PING, payload: { length: 1024 } }]);
  });

  it('ignores the continuation packet of another channel, and answers INIT (HID-16)', () => {
    const { take, send } = bench();
    take(longPing.slice(0, 3));
    expect(take(splitMessage(second, Command.PING, new Uint8Array(100)).slice(1))).toEqual([]);
    expect(send(broadcastChannel, Command.INIT, nonce)).toEqual([initAnswer(broadcastChannel, 0x102)]);
    expect(send(second, Command.INIT, nonce)).toEqual([initAnswer(second, second)]);
    expect(take(longPing.slice(3))).toMatchObject([{ command: Command.PING }]);
  });

  it('still lets another channel cancel its request', () => {
    const { take, send } = bench();
    send(second, Command.CBOR, [4]);
    take([pingStart]);
    expect(send(second, Command.CANCEL)).toEqual([{ kind: 'cancel' }]);
  });
});

describe('while a request is processed', () => {
  it('tells every other request CHANNEL_BUSY at its first packet (HID-14)', () => {
    const { take, send } = bench();
    expect(send(first, Command.CBOR, [4])).toEqual([requested(first, [4])]);
    for (const channel of [first, second]) {
      for (const command of [Command.CBOR, Command.MSG]) {
        const long = splitMessage(channel, command, new Uint8Array(100));
        expect(take(long)).toEqual([failed(channel, ErrorCode.CHANNEL_BUSY)]);
      }
    }
  });

  it('answers INIT, PING of any length and WINK on every channel', () => {
    const { send } = bench();
    send(first, Command.CBOR, [4]);
    const long = new Uint8Array(7609).fill(9);
    expect(send(second, Command.INIT, nonce)).toEqual([initAnswer(second, second)]);
    for (const channel of [first, second]) {
      expect(send(channel, Command.PING, [1])).toEqual([sent(channel, Command.PING, [1])]);
      expect(send(channel, Command.PING, long)).toEqual([sent(channel, Command.PING, long)]);
      expect(send(channel, Command.WINK)).toEqual([{ kind: 'wink' }, sent(channel, Command.WINK)]);
    }
  });

  it('takes the next request once it has settled', () => {
    const { machine, send } = bench();
    send(first, Command.CBOR, [4]);
    expect(machine.settle()).toEqual([]);
    expect(send(second, Command.CBOR, [6])).toEqual([requested(second, [6])]);
  });

  it('tells a request on another device CHANNEL_BUSY, too, if they share the lock', () => {
    const processing = new ProcessingLock();
    const [one, other] = [bench(processing), bench(processing)];
    one.send(first, Command.CBOR, [4]);
    expect(other.send(first, Command.CBOR, [4])).toEqual([failed(first, ErrorCode.CHANNEL_BUSY)]);
    one.machine.settle();
    expect(other.send(first, Command.CBOR, [4])).toEqual([requested(first, [4])]);
  });

  it('tells a request CHANNEL_BUSY that was begun before, and completed after another device got the lock', () => {
    const processing = new ProcessingLock();
    const [one, other] = [bench(processing), bench(processing)];
    const [start, ...rest] = splitMessage(first, Command.CBOR, new Uint8Array(100));
    one.take(start === undefined ? [] : [start]);
    other.send(first, Command.CBOR, [4]);
    expect(one.take(rest)).toEqual([failed(first, ErrorCode.CHANNEL_BUSY)]);
  });
});

describe('a request behind an aborted one', () => {
  function aborted() {
    const parts = bench();
    parts.send(first, Command.CBOR, [4]);
    parts.send(first, Command.INIT, nonce);
    return parts;
  }

  it('waits until that has settled, and is not told CHANNEL_BUSY', () => {
    const { machine, send } = aborted();
    expect(send(first, Command.CBOR, [6])).toEqual([]);
    expect(machine.settle()).toEqual([requested(first, [6])]);
    expect(machine.settle()).toEqual([]);
    expect(send(second, Command.CBOR, [7])).toEqual([requested(second, [7])]);
  });

  it('is the only one that waits', () => {
    const { send } = aborted();
    send(second, Command.CBOR, [6]);
    expect(send(first, Command.CBOR, [7])).toEqual([failed(first, ErrorCode.CHANNEL_BUSY)]);
  });

  it('starts as cancelled if CANCEL came meanwhile', () => {
    const { machine, send } = aborted();
    send(first, Command.CBOR, [6]);
    expect(send(first, Command.CANCEL)).toEqual([]);
    expect(machine.settle()).toEqual([requested(first, [6], true)]);
  });

  it('never starts if INIT came meanwhile', () => {
    const { machine, send } = aborted();
    send(first, Command.CBOR, [6]);
    expect(send(first, Command.INIT, nonce)).toEqual([initAnswer(first, first)]);
    expect(machine.settle()).toEqual([]);
  });
});

describe('CANCEL', () => {
  it('cancels the running CBOR request of its channel, unanswered (HID-18)', () => {
    const { send } = bench();
    send(first, Command.CBOR, [4]);
    expect(send(first, Command.CANCEL)).toEqual([{ kind: 'cancel' }]);
  });

  it('is ignored while idle, on another channel, of a U2F request, and behind INIT (HID-18)', () => {
    const { machine, send } = bench();
    expect(send(first, Command.CANCEL)).toEqual([]);
    send(first, Command.MSG, [0, 3, 0, 0]);
    expect(send(first, Command.CANCEL)).toEqual([]);
    machine.settle();
    send(first, Command.CBOR, [4]);
    expect(send(second, Command.CANCEL)).toEqual([]);
    send(first, Command.INIT, nonce);
    expect(send(first, Command.CANCEL)).toEqual([]);
    machine.settle();
    expect(send(first, Command.CANCEL)).toEqual([]);
  });
});

describe('WINK', () => {
  it('is answered without payload (HID-20)', () => {
    expect(bench().send(first, Command.WINK)).toEqual([{ kind: 'wink' }, sent(first, Command.WINK)]);
  });

  it('refuses a payload', () => {
    expect(bench().send(first, Command.WINK, [1])).toEqual([failed(first, ErrorCode.INVALID_LEN)]);
  });
});

describe('LOCK', () => {
  it('keeps other channels out, INIT too, until it is released (HID-21)', () => {
    const { send } = bench();
    expect(send(first, Command.LOCK, [0])).toEqual([sent(first, Command.LOCK)]);
    expect(send(first, Command.LOCK, [8])).toEqual([sent(first, Command.LOCK)]);
    expect(send(broadcastChannel, Command.INIT, nonce)).toEqual([failed(broadcastChannel, ErrorCode.CHANNEL_BUSY)]);
    for (const command of [Command.INIT, Command.PING, Command.LOCK, 0x40]) {
      expect(send(second, command, nonce)).toEqual([failed(second, ErrorCode.CHANNEL_BUSY)]);
    }
    expect(send(second, Command.CANCEL)).toEqual([]);
    expect(send(first, Command.PING, [1])).toEqual([sent(first, Command.PING, [1])]);
    expect(send(first, Command.LOCK, [0])).toEqual([sent(first, Command.LOCK)]);
    expect(send(second, Command.INIT, nonce)).toEqual([initAnswer(second, second)]);
  });

  it('ends by itself after its seconds', () => {
    const { send, wait } = bench();
    send(first, Command.LOCK, [10]);
    wait(9_999);
    expect(send(second, Command.PING)).toEqual([failed(second, ErrorCode.CHANNEL_BUSY)]);
    wait(1);
    expect(send(second, Command.PING)).toEqual([sent(second, Command.PING)]);
  });

  it('refuses more than 10 seconds, and other than one byte', () => {
    const { send } = bench();
    expect(send(first, Command.LOCK, [11])).toEqual([failed(first, ErrorCode.INVALID_PAR)]);
    expect(send(first, Command.LOCK)).toEqual([failed(first, ErrorCode.INVALID_LEN)]);
    expect(send(first, Command.LOCK, [1, 1])).toEqual([failed(first, ErrorCode.INVALID_LEN)]);
    expect(send(second, Command.PING)).toEqual([sent(second, Command.PING)]);
  });

  it('is refused while the request of another channel is processed', () => {
    const { send } = bench();
    send(first, Command.CBOR, [4]);
    expect(send(second, Command.LOCK, [8])).toEqual([failed(second, ErrorCode.CHANNEL_BUSY)]);
    expect(send(first, Command.LOCK, [8])).toEqual([sent(first, Command.LOCK)]);
  });
});

describe('forget', () => {
  it('leaves no channel, no half message and no lock', () => {
    const { machine, take, send } = bench();
    send(first, Command.LOCK, [8]);
    take([pingStart]);
    machine.forget();
    expect(machine.deadline).toBeUndefined();
    expect(send(first, Command.PING)).toEqual([failed(first, ErrorCode.INVALID_CHANNEL)]);
    expect(send(broadcastChannel, Command.INIT, nonce)).toEqual([initAnswer(broadcastChannel, 0x102)]);
  });

  it('lets the next request wait for the running one', () => {
    const { machine, send } = bench();
    send(first, Command.CBOR, [4]);
    machine.forget();
    send(broadcastChannel, Command.INIT, nonce);
    expect(send(0x102, Command.CBOR, [6])).toEqual([]);
    expect(machine.settle()).toEqual([requested(0x102, [6])]);
  });
});

describe('channelIds', () => {
  it('counts up, and leaves out 00000000 and FFFFFFFF', () => {
    const next = channelIds(0xfffffffc);
    expect([next(), next(), next(), next()]).toEqual([0xfffffffd, 0xfffffffe, 1, 2]);
  });
});
