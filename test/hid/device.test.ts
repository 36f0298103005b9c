// A CtapHidDevice hands requests over and answers them, says meanwhile that it is alive, and outlives hosts that stop within
// a message and handlers that break their contract.

import { describe, expect, it, vi } from 'vitest';
import { ProcessingLock } from '../../hid/device.ts';
import { splitMessage } from '../../hid/packet.ts';
import { Command, ErrorCode, KeepaliveStatus } from '../../hid/wire.ts';
import { failed, keepalive, message, plugIn, stopTheClock } from './plugged-device.ts';

stopTheClock();

describe('requests', () => {
  it('are handed to the handler and answered on their channel', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    expect(send(channel, Command.CBOR, [4])).toEqual([]);
    expect(desk.latest).toMatchObject({ command: 'cbor', payload: [4], context: { channel } });
    await desk.latest.answer([0, 1, 2]);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0, 1, 2])]);

    send(channel, Command.MSG, [0, 3, 0, 0]);
    expect(desk.latest).toMatchObject({ command: 'msg', payload: [0, 3, 0, 0] });
    await desk.latest.answer([0x90, 0]);
    expect(cable.take()).toEqual([message(channel, Command.MSG, [0x90, 0])]);
  });

  it('come and go at full size', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    const payload = Array.from({ length: 7609 }, (_, i) => (i * 31) & 0xff);
    send(channel, Command.CBOR, payload);
    expect(desk.latest.payload).toEqual(payload);
    await desk.latest.answer(payload);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, payload)]);
  });

  it('have channels that differ on every device', async () => {
    const [one, other] = [await plugIn(), await plugIn()];
    const channels = [one, other, one, other].map(({ newChannel }) => newChannel());
    expect(new Set(channels).size).toBe(4);
  });

  it('do not stop INIT, PING and WINK while a person thinks; other requests are busy at once', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const [one, other] = [newChannel(), newChannel()];
    send(one, Command.CBOR, [1]);
    desk.latest.context.waitingFor('user');
    cable.take();
    const long = Array.from({ length: 1000 }, (_, i) => i & 0xff);
    expect(newChannel()).toBe(other + 1);
    expect(send(other, Command.PING, long)).toEqual([message(other, Command.PING, long)]);
    expect(send(one, Command.PING, [5])).toEqual([message(one, Command.PING, [5])]);
    expect(send(other, Command.WINK)).toEqual([message(other, Command.WINK)]);
    expect(desk.winks).toBe(1);
    expect(send(other, Command.CBOR, [4])).toEqual([failed(other, ErrorCode.CHANNEL_BUSY)]);
    await desk.latest.answer([0]);
    expect(cable.take()).toEqual([message(one, Command.CBOR, [0])]);
  });

  it('are busy on a second device that shares the lock', async () => {
    const lock = new ProcessingLock();
    const [one, other] = [await plugIn({ lock }), await plugIn({ lock })];
    const [onOne, onOther] = [one.newChannel(), other.newChannel()];
    one.send(onOne, Command.CBOR, [4]);
    expect(other.send(onOther, Command.CBOR, [4])).toEqual([failed(onOther, ErrorCode.CHANNEL_BUSY)]);
    await one.desk.latest.answer([0]);
    expect(other.send(onOther, Command.CBOR, [4])).toEqual([]);
    await other.desk.latest.answer([0]);
  });
});

describe('keepalive', () => {
  it('comes every 50 ms, and at once when the status changes (HID-17)', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    await vi.advanceTimersByTimeAsync(49);
    expect(cable.take()).toEqual([]);
    await vi.advanceTimersByTimeAsync(51);
    expect(cable.take()).toEqual(Array(2).fill(keepalive(channel, KeepaliveStatus.PROCESSING)));

    desk.latest.context.waitingFor('user');
    await vi.advanceTimersByTimeAsync(0);
    expect(cable.take()).toEqual([keepalive(channel, KeepaliveStatus.UPNEEDED)]);
    desk.latest.context.waitingFor('user');
    await vi.advanceTimersByTimeAsync(0);
    expect(cable.take()).toEqual([]);
    await vi.advanceTimersByTimeAsync(100);
    expect(cable.take()).toEqual(Array(2).fill(keepalive(channel, KeepaliveStatus.UPNEEDED)));

    desk.latest.context.waitingFor('processing');
    await vi.advanceTimersByTimeAsync(0);
    expect(cable.take()).toEqual([keepalive(channel, KeepaliveStatus.PROCESSING)]);
    await desk.latest.answer([0]);
  });

  it('does not announce a wait that is over at once', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    desk.latest.context.waitingFor('user');
    desk.latest.context.waitingFor('processing');
    await vi.advanceTimersByTimeAsync(0);
    expect(cable.take()).toEqual([]);
    desk.latest.context.waitingFor('user');
    await desk.latest.answer([0]);
    await vi.advanceTimersByTimeAsync(0);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0])]);
  });

  it('ends with the answer, whatever the handler says afterwards (HID-17)', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    await desk.latest.answer([0]);
    desk.latest.context.waitingFor('user');
    await vi.advanceTimersByTimeAsync(500);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0])]);
  });

  it('is never sent for U2F (HID-17)', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.MSG, [0, 1, 0, 0]);
    desk.latest.context.waitingFor('user');
    await vi.advanceTimersByTimeAsync(500);
    expect(cable.take()).toEqual([]);
    await desk.latest.answer([0x69, 0x85]);
  });

  it('is not sent while idle (HID-01)', async () => {
    const { cable, newChannel } = await plugIn();
    newChannel();
    await vi.advanceTimersByTimeAsync(3000);
    expect(cable.take()).toEqual([]);
  });
});

describe('the transaction timeout', () => {
  it('is told 500 ms after the last packet (HID-13)', async () => {
    const { cable, send, newChannel } = await plugIn();
    const channel = newChannel();
    const [start, next] = splitMessage(channel, Command.PING, new Uint8Array(1024));
    if (start === undefined || next === undefined) expect.fail();
    cable.onReport(start);
    await vi.advanceTimersByTimeAsync(400);
    cable.onReport(next);
    await vi.advanceTimersByTimeAsync(499);
    expect(cable.take()).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(cable.take()).toEqual([failed(channel, ErrorCode.MSG_TIMEOUT)]);
    expect(send(channel, Command.PING, [1])).toEqual([message(channel, Command.PING, [1])]);
  });

  /** Receives one of two packets, and does nothing until long after the other one is due. */
  async function standStill() {
    const { cable, newChannel } = await plugIn();
    const channel = newChannel();
    const [start, next] = splitMessage(channel, Command.PING, new Uint8Array(100));
    if (start === undefined || next === undefined) expect.fail();
    cable.onReport(start);
    const late = performance.now() + 2000;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => late);
    await vi.advanceTimersByTimeAsync(500);
    clock.mockRestore();
    expect(cable.take()).toEqual([]);
    return { cable, channel, next };
  }

  it('does not strike a packet that came in time to a process that stood still', async () => {
    const { cable, channel, next } = await standStill();
    cable.onReport(next);
    expect(cable.take()).toEqual([message(channel, Command.PING, Array(100).fill(0))]);
  });

  it('strikes soon after a process stood still, if none has come', async () => {
    const { cable, channel } = await standStill();
    await vi.advanceTimersByTimeAsync(100);
    expect(cable.take()).toEqual([failed(channel, ErrorCode.MSG_TIMEOUT)]);
  });
});

describe('a handler that breaks its contract', () => {
  it('that rejects is reported, and the host gets 7F, or 6F00 for U2F', async () => {
    const { cable, desk, bugs, send, newChannel } = await plugIn();
    const channel = newChannel();
    const error = new Error('broken');
    send(channel, Command.CBOR, [1]);
    await desk.latest.fail(error);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0x7f])]);
    send(channel, Command.MSG, [0]);
    await desk.latest.fail(error);
    expect(cable.take()).toEqual([message(channel, Command.MSG, [0x6f, 0])]);
    expect(bugs).toEqual([error, error]);
    send(channel, Command.CBOR, [4]);
    await desk.latest.answer([0]);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0])]);
  });

  it('that answers 7610 bytes is reported, and the host gets 7F', async () => {
    const { cable, desk, bugs, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    await desk.latest.answer(Array(7610).fill(0));
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0x7f])]);
    expect(bugs).toEqual([new RangeError('expected an answer of at most 7609 bytes, got 7610')]);
  });

  it('that throws at once, or when winking, is reported, and the device lives on', async () => {
    const error = new Error('broken');
    const fail = () => {
      throw error;
    };
    const { cable, bugs, send, newChannel } = await plugIn({ handler: { cbor: fail, msg: fail, wink: fail } });
    const channel = newChannel();
    expect(send(channel, Command.WINK)).toEqual([message(channel, Command.WINK)]);
    send(channel, Command.CBOR, [1]);
    await vi.advanceTimersByTimeAsync(0);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0x7f])]);
    expect(bugs).toEqual([error, error]);
  });
});
