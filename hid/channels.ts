// The receiving side of CTAPHID as a pure machine: reports and the time go in, outcomes come out. It knows channels,
// half-received messages, the lock, and which request is being processed. CTAP 2.1 §11.2.4 to §11.2.9.
//
// Who has to wait for whom: while a message is being *received*, which takes milliseconds, other channels get
// CHANNEL_BUSY (§11.2.5.1) for everything but INIT and CANCEL. While a request is *processed*, which takes as long as a
// person thinks, only another request (CBOR, MSG) or LOCK is busy; INIT, PING, WINK and CANCEL work on every channel.

import { Assembly, type ContinuationPacket, decodePacket, type InitPacket } from './packet.ts';
import type { ProcessingLock } from './processing-lock.ts';
import {
  broadcastChannel,
  Capability,
  Command,
  ErrorCode,
  initAnswerSize,
  maxLockSeconds,
  maxMessageSize,
  nonceSize,
  protocolVersion,
} from './wire.ts';

/** How long the next packet of a message may take. Clients' tests expect the error after 400 to 1000 ms. */
export const transactionTimeoutMs = 500;

/** More channels than any desk has programs; the least recently used one gives way. */
export const maxChannels = 4096;

export interface DeviceVersion {
  /** Each 0 to 255; told in the answer to INIT. */
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** A complete CBOR or MSG request that now has the processing lock. */
export interface Request {
  readonly kind: 'request';
  readonly channel: number;
  readonly command: typeof Command.CBOR | typeof Command.MSG;
  readonly payload: Uint8Array;
  /** CANCEL came while the request still waited for its turn. */
  readonly isCancelled: boolean;
}

/** What the device has to do. */
export type Outcome =
  | Request
  | { readonly kind: 'send'; readonly channel: number; readonly command: number; readonly payload: Uint8Array }
  /** The running request is to end soon; it still answers for itself. */
  | { readonly kind: 'cancel' }
  /** The running request is to end soon, and its answer is not wanted any more. */
  | { readonly kind: 'abort' }
  | { readonly kind: 'wink' };

interface Running {
  readonly channel: number;
  readonly command: number;
  isAborted: boolean;
}

const nothing: readonly Outcome[] = [];
const emptyPayload = new Uint8Array(0);

export class ChannelMachine {
  readonly #version: DeviceVersion;
  readonly #nextChannelId: () => number;
  readonly #processing: ProcessingLock;
  /** Least recently used first. */
  readonly #channels = new Set<number>();
  #receiving: { readonly assembly: Assembly; deadline: number } | undefined;
  #running: Running | undefined;
  /** Waits until an aborted request has come to its end. */
  #waiting: Request | undefined;
  #locked: { readonly channel: number; readonly until: number } | undefined;

  constructor(options: { version: DeviceVersion; nextChannelId: () => number; processing: ProcessingLock }) {
    this.#version = options.version;
    this.#nextChannelId = options.nextChannelId;
    this.#processing = options.processing;
  }

  /** When `tick` is due, in the unit of `now`; undefined while no message is being received. */
  get deadline(): number | undefined {
    return this.#receiving?.deadline;
  }

  /** Takes a report of 64 bytes, which it may keep; `now` in milliseconds of any steady clock. Never throws. */
  receive(report: Uint8Array, now: number): readonly Outcome[] {
    const packet = decodePacket(report);
    return packet.kind === 'init' ? this.#begin(packet, now) : this.#continue(packet, now);
  }

  /** Gives up the message whose next packet is overdue. */
  tick(now: number): readonly Outcome[] {
    const receiving = this.#receiving;
    if (receiving === undefined || now < receiving.deadline) return nothing;
    this.#receiving = undefined;
    return [failure(receiving.assembly.channel, ErrorCode.MSG_TIMEOUT)];
  }

  /** The running request has come to its end, answered or not. Starts the one that waited for that. */
  settle(): readonly Outcome[] {
    const next = this.#waiting;
    this.#waiting = undefined;
    if (next === undefined) {
      this.#running = undefined;
      this.#processing.release();
      return nothing;
    }
    this.#running = { channel: next.channel, command: next.command, isAborted: false };
    return [next];
  }

  /** The cable is pulled: as `abandon`, and no channels. */
  forget(): void {
    this.#channels.clear();
    this.abandon();
  }

  /** No host is left: no lock, nothing received. A running request counts as aborted until it settles. */
  abandon(): void {
    this.#receiving = undefined;
    this.#waiting = undefined;
    this.#locked = undefined;
    if (this.#running !== undefined) this.#running.isAborted = true;
  }

  #continue(packet: ContinuationPacket, now: number): readonly Outcome[] {
    const receiving = this.#receiving;
    // Spurious continuation packets are ignored, whatever their channel. CTAP 2.1 §11.2.5.4.
    if (receiving?.assembly.channel !== packet.channel) return nothing;
    if (!receiving.assembly.append(packet)) {
      this.#receiving = undefined;
      return [failure(packet.channel, ErrorCode.INVALID_SEQ)];
    }
    receiving.deadline = now + transactionTimeoutMs;
    if (!receiving.assembly.isComplete) return nothing;
    this.#receiving = undefined;
    return this.#dispatch(receiving.assembly, now);
  }

  #begin(packet: InitPacket, now: number): readonly Outcome[] {
    const { channel, command } = packet;
    const isKnown = channel === broadcastChannel ? command === Command.INIT : this.#channels.has(channel);
    if (!isKnown) return [failure(channel, ErrorCode.INVALID_CHANNEL)];
    if (command === Command.CANCEL) return this.#cancel(channel);
    if (this.#locked !== undefined && this.#locked.channel !== channel && now < this.#locked.until) {
      return [failure(channel, ErrorCode.CHANNEL_BUSY)];
    }
    if (command === Command.INIT) return this.#initialize(packet);

    const receiving = this.#receiving?.assembly.channel;
    if (receiving === channel) {
      this.#receiving = undefined;
      return [failure(channel, ErrorCode.INVALID_SEQ)];
    }
    const refusal = receiving === undefined ? this.#refusal(packet) : ErrorCode.CHANNEL_BUSY;
    if (refusal !== undefined) return [failure(channel, refusal)];

    this.#touch(channel);
    const assembly = new Assembly(packet);
    if (assembly.isComplete) return this.#dispatch(assembly, now);
    this.#receiving = { assembly, deadline: now + transactionTimeoutMs };
    return nothing;
  }

  /** What is wrong with a message can be told by its first packet, before the host sends all the others. */
  #refusal({ channel, command, length }: InitPacket): number | undefined {
    if (length > maxMessageSize) return ErrorCode.INVALID_LEN;
    switch (command) {
      case Command.PING:
        return undefined;
      case Command.CBOR:
      case Command.MSG:
        if (length === 0) return ErrorCode.INVALID_LEN;
        return this.#processing.isTaken && !this.#mayWait ? ErrorCode.CHANNEL_BUSY : undefined;
      case Command.LOCK:
        if (length !== 1) return ErrorCode.INVALID_LEN;
        return this.#running !== undefined && this.#running.channel !== channel ? ErrorCode.CHANNEL_BUSY : undefined;
      case Command.WINK:
        return length === 0 ? undefined : ErrorCode.INVALID_LEN;
      default:
        return ErrorCode.INVALID_CMD;
    }
  }

  #dispatch({ channel, command, payload }: Assembly, now: number): readonly Outcome[] {
    switch (command) {
      case Command.CBOR:
      case Command.MSG:
        return this.#accept({ kind: 'request', channel, command, payload, isCancelled: false });
      case Command.LOCK:
        return this.#lock(channel, payload, now);
      case Command.WINK:
        return [{ kind: 'wink' }, { kind: 'send', channel, command, payload: emptyPayload }];
      default:
        return [{ kind: 'send', channel, command, payload }]; // PING: `#refusal` lets nothing else through
    }
  }

  #accept(request: Request): readonly Outcome[] {
    if (this.#processing.tryTake()) {
      this.#running = { channel: request.channel, command: request.command, isAborted: false };
      return [request];
    }
    if (!this.#mayWait) return [failure(request.channel, ErrorCode.CHANNEL_BUSY)];
    this.#waiting = request;
    return nothing;
  }

  /** An aborted request ends within moments, so the next one waits for it instead of being told "busy". */
  get #mayWait(): boolean {
    return this.#running?.isAborted === true && this.#waiting === undefined;
  }

  #lock(channel: number, payload: Uint8Array, now: number): readonly Outcome[] {
    const [seconds = 0] = payload;
    if (seconds > maxLockSeconds) return [failure(channel, ErrorCode.INVALID_PAR)];
    this.#locked = seconds === 0 ? undefined : { channel, until: now + seconds * 1000 };
    return [{ kind: 'send', channel, command: Command.LOCK, payload: emptyPayload }];
  }

  /** CANCEL is never answered; only the running CBOR request of the same channel feels it. CTAP 2.1 §11.2.9.1.5. */
  #cancel(channel: number): readonly Outcome[] {
    if (this.#waiting?.channel === channel && this.#waiting.command === Command.CBOR) {
      this.#waiting = { ...this.#waiting, isCancelled: true };
      return nothing;
    }
    const running = this.#running;
    const isFelt = running?.channel === channel && running.command === Command.CBOR && !running.isAborted;
    return isFelt ? [{ kind: 'cancel' }] : nothing;
  }

  /** On broadcast a new channel; on a known channel a fresh start, which drops whatever that channel had under way. */
  #initialize({ channel, length, data }: InitPacket): readonly Outcome[] {
    if (length !== nonceSize) return [failure(channel, ErrorCode.INVALID_LEN)];
    const own = channel === broadcastChannel ? this.#allocate() : channel;
    const payload = new Uint8Array(initAnswerSize);
    payload.set(data.subarray(0, nonceSize));
    new DataView(payload.buffer).setUint32(8, own);
    const { major, minor, build } = this.#version;
    payload.set([protocolVersion, major, minor, build, Capability.WINK | Capability.CBOR], 12);
    const answer: Outcome = { kind: 'send', channel, command: Command.INIT, payload };
    return channel === broadcastChannel ? [answer] : [...this.#restart(channel), answer];
  }

  #restart(channel: number): readonly Outcome[] {
    this.#touch(channel);
    if (this.#receiving?.assembly.channel === channel) this.#receiving = undefined;
    if (this.#waiting?.channel === channel) this.#waiting = undefined;
    if (this.#running?.channel !== channel || this.#running.isAborted) return nothing;
    this.#running.isAborted = true;
    return [{ kind: 'abort' }];
  }

  #allocate(): number {
    let channel = this.#nextChannelId();
    while (this.#channels.has(channel)) channel = this.#nextChannelId();
    this.#channels.add(channel);
    if (this.#channels.size > maxChannels) {
      for (const oldest of this.#channels) {
        if (this.#isInUse(oldest)) continue;
        this.#channels.delete(oldest);
        break;
      }
    }
    return channel;
  }

  #isInUse(channel: number): boolean {
    return [this.#receiving?.assembly, this.#running, this.#waiting, this.#locked].some(
      (user) => user?.channel === channel,
    );
  }

  #touch(channel: number): void {
    this.#channels.delete(channel);
    this.#channels.add(channel);
  }
}

function failure(channel: number, code: number): Outcome {
  return { kind: 'send', channel, command: Command.ERROR, payload: Uint8Array.of(code) };
}
