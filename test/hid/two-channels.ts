// A ChannelMachine with a clock and two channels already given out, and the outcomes that its tests expect of it; with them
// a long PING, to be interrupted.

import { channelIds } from '../../hid/channel-ids.ts';
import { ChannelMachine, type Outcome } from '../../hid/channels.ts';
import { splitMessage } from '../../hid/packet.ts';
import { ProcessingLock } from '../../hid/processing-lock.ts';
import { broadcastChannel, Command } from '../../hid/wire.ts';

export const nonce = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
export const first = 0x100;
export const second = 0x101;

/** A machine with a clock and two channels, `first` and `second`, already given out. */
export function bench(processing = new ProcessingLock()) {
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

export const sent = (channel: number, command: number, payload: ArrayLike<number> = []): Outcome => ({
  kind: 'send',
  channel,
  command,
  payload: Uint8Array.from(payload),
});
export const failed = (channel: number, code: number) => sent(channel, Command.ERROR, [code]);
export const requested = (channel: number, payload: number[], isCancelled = false): Outcome => ({
  kind: 'request',
  channel,
  command: Command.CBOR,
  payload: Uint8Array.from(payload),
  isCancelled,
});
export const initAnswer = (channel: number, own: number) =>
  sent(channel, Command.INIT, [...nonce, 0, 0, own >> 8, own & 0xff, 2, 5, 6, 7, 0x05]);
export const longPing = splitMessage(
  first,
  Command.PING,
  Uint8Array.from({ length: 1024 }, (_, i) => i & 0xff),
);
export const [pingStart = new Uint8Array(64), pingNext = new Uint8Array(64), pingThird = new Uint8Array(64)] = longPing;
