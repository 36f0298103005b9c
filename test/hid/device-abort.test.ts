// What ends a request of a CtapHidDevice before its answer: CANCEL, INIT, closing, a host that leaves, and a transport
// that dies.

import { describe, expect, it, vi } from 'vitest';
import { splitMessage } from '../../hid/packet.ts';
import { broadcastChannel, Command, ErrorCode, KeepaliveStatus } from '../../hid/wire.ts';
import { failed, keepalive, message, nonce, plugIn, stopTheClock } from './plugged-device.ts';

stopTheClock();

describe('CANCEL', () => {
  it('aborts the signal; the handler answers, and keepalive goes on until then (HID-18)', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    expect(desk.latest.context.signal.aborted).toBe(false);
    expect(send(channel, Command.CANCEL)).toEqual([]);
    expect(desk.latest.context.signal.aborted).toBe(true);
    expect(send(channel, Command.CANCEL)).toEqual([]);
    await vi.advanceTimersByTimeAsync(50);
    expect(cable.take()).toEqual([keepalive(channel, KeepaliveStatus.PROCESSING)]);
    await desk.latest.answer([0x2d]);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0x2d])]);
  });
});

describe('INIT on the channel of a running request', () => {
  it('aborts it, drops its answer and its keepalive (HID-07)', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    expect(send(channel, Command.INIT, nonce)).toMatchObject([{ channel, command: Command.INIT }]);
    expect(desk.latest.context.signal.aborted).toBe(true);
    desk.latest.context.waitingFor('user');
    await vi.advanceTimersByTimeAsync(200);
    await desk.latest.answer([0x2d]);
    expect(cable.take()).toEqual([]);
  });

  it('lets the next request of the channel wait for the end of the aborted one', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    send(channel, Command.INIT, nonce);
    expect(send(channel, Command.CBOR, [4])).toEqual([]);
    expect(desk.requests).toHaveLength(1);
    await desk.latest.answer([0x2d]);
    expect(desk.latest.payload).toEqual([4]);
    expect(desk.latest.context.signal.aborted).toBe(false);
    await desk.latest.answer([0]);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0])]);
  });

  it('hands the waiting request over as cancelled if it was', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    send(channel, Command.INIT, nonce);
    send(channel, Command.CBOR, [4]);
    send(channel, Command.CANCEL);
    await desk.latest.answer([0x2d]);
    expect(desk.latest.context.signal.aborted).toBe(true);
    await desk.latest.answer([0x2d]);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0x2d])]);
  });
});

describe('a device that the last host has closed, or let go of', () => {
  it('aborts the request that nobody waits for, and takes the next one once that has ended', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    cable.onAbandoned();
    expect(desk.latest.context.signal.aborted).toBe(true);
    await desk.latest.answer([0x2d]);
    expect(cable.take()).toEqual([]);
    send(newChannel(), Command.CBOR, [4]);
    expect(desk.latest.payload).toEqual([4]);
    expect(desk.latest.context.signal.aborted).toBe(false);
    await desk.latest.answer([0]);
  });

  it('forgets half a message and a lock at once, so that the next host finds it free; channels stay', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.LOCK, [10]);
    const [start = new Uint8Array(64)] = splitMessage(channel, Command.CBOR, new Uint8Array(100));
    cable.onReport(start);
    cable.onAbandoned();
    const next = newChannel();
    expect(send(next, Command.CBOR, [4])).toEqual([]);
    await desk.latest.answer([0]);
    expect(cable.take()).toEqual([message(next, Command.CBOR, [0])]);
    expect(send(channel, Command.PING, [1])).toEqual([message(channel, Command.PING, [1])]);
  });

  it('has nothing to abort if it was idle', async () => {
    const { cable, desk, send, newChannel } = await plugIn();
    cable.onAbandoned();
    send(newChannel(), Command.CBOR, [1]);
    expect(desk.latest.context.signal.aborted).toBe(false);
    await desk.latest.answer([0]);
  });
});

describe('closing', () => {
  it.each(['close', 'closeNow'] as const)('by %s aborts the running request and forgets channels', async (how) => {
    const { device, cable, desk, send, newChannel } = await plugIn();
    const channel = newChannel();
    send(channel, Command.CBOR, [1]);
    await device[how]();
    expect(desk.latest.context.signal.aborted).toBe(true);
    await desk.latest.answer([0x2d]);
    expect(cable.take()).toEqual([]);
    await device.open();
    expect(send(channel, Command.PING)).toEqual([failed(channel, ErrorCode.INVALID_CHANNEL)]);
    expect(newChannel()).toBe(channel + 1);
  });

  it('and opening again lets the first request wait for the aborted one', async () => {
    const { device, cable, desk, send, newChannel } = await plugIn();
    send(newChannel(), Command.CBOR, [1]);
    await device.close();
    await device.open();
    const channel = newChannel();
    expect(send(channel, Command.CBOR, [4])).toEqual([]);
    await desk.latest.answer([0x2d]);
    await desk.latest.answer([0]);
    expect(cable.take()).toEqual([message(channel, Command.CBOR, [0])]);
  });

  it('leaves a half-received message behind without a word', async () => {
    const { device, cable, newChannel } = await plugIn();
    const [start = new Uint8Array(64)] = splitMessage(newChannel(), Command.PING, new Uint8Array(100));
    cable.onReport(start);
    await device.close();
    await vi.advanceTimersByTimeAsync(1000);
    expect(cable.take()).toEqual([]);
  });
});

describe('a transport that dies', () => {
  it('before it is open makes open() reject', async () => {
    const { device, cable } = await plugIn();
    await device.close();
    const error = new Error('no such device');
    vi.spyOn(cable, 'open').mockRejectedValueOnce(error);
    await expect(device.open()).rejects.toBe(error);
    await device.open();
  });

  it('aborts the running request and is reported once', async () => {
    const { cable, desk, transportErrors, send, newChannel } = await plugIn();
    send(newChannel(), Command.CBOR, [1]);
    const error = new Error('gone');
    cable.onError(error);
    cable.onError(error);
    expect(desk.latest.context.signal.aborted).toBe(true);
    expect(transportErrors).toEqual([error]);
    await desk.latest.answer([0x2d]);
    expect(cable.take()).toEqual([]);
  });

  it('by failing to send is reported once, too', async () => {
    const { cable, transportErrors, send } = await plugIn();
    cable.sendError = new Error('gone');
    send(broadcastChannel, Command.INIT, nonce);
    send(broadcastChannel, Command.INIT, nonce);
    await vi.advanceTimersByTimeAsync(0);
    expect(transportErrors).toEqual([cable.sendError]);
  });
});
