// Channels are given out by INIT, answer PING and WINK, refuse what is broken or late, and can be locked.

import { describe, expect, it } from 'vitest';
import { channelIds } from '../../hid/channel-ids.ts';
import { ChannelMachine, maxChannels } from '../../hid/channels.ts';
import { splitMessage } from '../../hid/packet.ts';
import { ProcessingLock } from '../../hid/processing-lock.ts';
import { broadcastChannel, Command, ErrorCode } from '../../hid/wire.ts';
import {
  bench,
  failed,
  first,
  initAnswer,
  longPing,
  nonce,
  pingNext,
  pingStart,
  pingThird,
  second,
  sent,
} from './two-channels.ts';

const never = 0x999;

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

describe('channelIds', () => {
  it('counts up, and leaves out 00000000 and FFFFFFFF', () => {
    const next = channelIds(0xfffffffc);
    expect([next(), next(), next(), next()]).toEqual([0xfffffffd, 0xfffffffe, 1, 2]);
  });
});
