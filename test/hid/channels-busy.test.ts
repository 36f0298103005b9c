// Channels of a key that is busy, with a message that is not complete or a request that is not answered: who is told to
// come back, who waits, and what ends it.

import { describe, expect, it } from 'vitest';
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
  pingStart,
  requested,
  second,
  sent,
} from './two-channels.ts';

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
