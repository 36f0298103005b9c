import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CtapHidDevice, type MessageContext, type MessageHandler, ProcessingLock } from '../../hid/device.ts';
import { Assembly, decodePacket, splitMessage } from '../../hid/packet.ts';
import type { HidTransport } from '../../hid/transport.ts';
import { broadcastChannel, Command, ErrorCode, KeepaliveStatus } from '../../hid/wire.ts';

const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

type Message = { channel: number; command: number; payload: number[] };

/** A transport whose other end is this test: it keeps what the device sends. */
class Cable implements HidTransport {
  readonly name = 'cable';
  readonly sent: Uint8Array[] = [];
  sendError: Error | undefined;
  onReport: (report: Uint8Array) => void = () => expect.fail('the device is not open');
  onError: (error: Error) => void = () => expect.fail('the device is not open');
  onAbandoned: () => void = () => expect.fail('the device is not open');

  async open(
    onReport: (report: Uint8Array) => void,
    onError: (error: Error) => void,
    onAbandoned: () => void,
  ): Promise<void> {
    this.onReport = onReport;
    this.onError = onError;
    this.onAbandoned = onAbandoned;
  }

  async send(report: Uint8Array): Promise<void> {
    if (this.sendError) throw this.sendError;
    this.sent.push(report.slice());
  }

  async close(): Promise<void> {}

  closeNow(): void {}

  /** Everything that the device sent since the last look. */
  take(): Message[] {
    const messages: Message[] = [];
    let assembly: Assembly | undefined;
    for (const packet of this.sent.splice(0).map(decodePacket)) {
      if (packet.kind === 'init') assembly = new Assembly(packet);
      else expect(assembly?.append(packet)).toBe(true);
      if (assembly?.isComplete) {
        messages.push({ channel: assembly.channel, command: assembly.command, payload: [...assembly.payload] });
      }
    }
    return messages;
  }
}

/** A handler whose requests stay open until the test answers them. */
class Desk implements MessageHandler {
  readonly requests: {
    command: 'cbor' | 'msg';
    payload: number[];
    context: MessageContext;
    answer: (bytes: number[]) => Promise<void>;
    fail: (error: unknown) => Promise<void>;
  }[] = [];
  winks = 0;

  cbor(request: Uint8Array, context: MessageContext): Promise<Uint8Array> {
    return this.#take('cbor', request, context);
  }

  msg(request: Uint8Array, context: MessageContext): Promise<Uint8Array> {
    return this.#take('msg', request, context);
  }

  wink(): void {
    this.winks++;
  }

  get latest() {
    return this.requests.at(-1) ?? expect.fail('no request has come');
  }

  #take(command: 'cbor' | 'msg', request: Uint8Array, context: MessageContext): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.requests.push({
        command,
        payload: [...request],
        context,
        answer: async (bytes) => {
          resolve(Uint8Array.from(bytes));
          await vi.advanceTimersByTimeAsync(0);
        },
        fail: async (error) => {
          reject(error);
          await vi.advanceTimersByTimeAsync(0);
        },
      });
    });
  }
}

async function plugIn(options: { lock?: ProcessingLock; handler?: MessageHandler } = {}) {
  const cable = new Cable();
  const desk = new Desk();
  const bugs: unknown[] = [];
  const transportErrors: Error[] = [];
  const device = new CtapHidDevice({
    transport: cable,
    handler: desk,
    version: { major: 1, minor: 2, build: 3 },
    onBug: (error) => bugs.push(error),
    onTransportError: (error) => transportErrors.push(error),
    ...options,
  });
  await device.open();
  const send = (channel: number, command: number, payload: ArrayLike<number> = []): Message[] => {
    for (const report of splitMessage(channel, command, Uint8Array.from(payload))) cable.onReport(report);
    return cable.take();
  };
  const newChannel = () => {
    const [answer] = send(broadcastChannel, Command.INIT, nonce);
    return new DataView(Uint8Array.from(answer?.payload ?? []).buffer).getUint32(8);
  };
  return { device, cable, desk, bugs, transportErrors, send, newChannel };
}

const message = (channel: number, command: number, payload: number[] = []): Message => ({ channel, command, payload });
const keepalive = (channel: number, status: number) => message(channel, Command.KEEPALIVE, [status]);
const failed = (channel: number, code: number) => message(channel, Command.ERROR, [code]);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

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
