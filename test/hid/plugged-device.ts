// A CtapHidDevice plugged into its test, which is the other end of its transport and its handler. Time stands still in such
// a test but for what it advances, and no timer may be left behind.

import { afterEach, beforeEach, expect, vi } from 'vitest';
import { CtapHidDevice, type MessageContext, type MessageHandler, type ProcessingLock } from '../../hid/device.ts';
import { Assembly, decodePacket, splitMessage } from '../../hid/packet.ts';
import type { HidTransport } from '../../hid/transport.ts';
import { broadcastChannel, Command } from '../../hid/wire.ts';

export const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

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

export async function plugIn(options: { lock?: ProcessingLock; handler?: MessageHandler } = {}) {
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

export const message = (channel: number, command: number, payload: number[] = []): Message => ({
  channel,
  command,
  payload,
});
export const keepalive = (channel: number, status: number) => message(channel, Command.KEEPALIVE, [status]);
export const failed = (channel: number, code: number) => message(channel, Command.ERROR, [code]);

/** For each test of the file: a clock that goes by hand, and on which nothing may be left to happen. */
export function stopTheClock(): void {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
}
