// CTAPHID from the host's side: one client is one channel of a device. Several clients may share a connection, in this
// program or in others; each hears every report and takes its own.

import { Assembly, decodePacket, splitMessage } from '../packet.ts';
import { TransportError } from '../transport-error.ts';
import { broadcastChannel, Command, ErrorCode, initAnswerSize, maxMessageSize, nonceSize } from '../wire.ts';
import type { HostConnection } from './host-connection.ts';

/** A key that is alive says so every 100 ms; this much silence means that it is not. */
export const silenceTimeoutMs = 3000;

/** The device answered CTAPHID_ERROR. */
export class CtapHidError extends Error {
  override readonly name = 'CtapHidError';
  /** One of `ErrorCode`. */
  readonly code: number;

  constructor(code: number) {
    const known = Object.entries(ErrorCode).find(([, value]) => value === code)?.[0];
    super(`the device answered with CTAPHID error ${known ?? `0x${code.toString(16).padStart(2, '0')}`}`);
    this.code = code;
  }
}

/** What a device tells of itself in the answer to INIT. */
export interface DeviceInfo {
  readonly protocolVersion: number;
  readonly version: { readonly major: number; readonly minor: number; readonly build: number };
  /** Bits of `Capability`. */
  readonly capabilities: number;
}

export interface CborOptions {
  /** Aborting sends CANCEL; the promise still waits for the device's own answer. */
  readonly signal?: AbortSignal;
  /** Told the status of each keepalive message, one of `KeepaliveStatus`. */
  readonly onKeepalive?: (status: number) => void;
}

interface Transaction {
  readonly channel: number;
  readonly command: number;
  readonly nonce: Uint8Array | undefined;
  readonly onKeepalive: ((status: number) => void) | undefined;
  /** Called when it is the request's turn; a CANCEL that is sent from then on comes after the request. May throw. */
  readonly onSend: (() => void) | undefined;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
  answer: Assembly | undefined;
}

export class CtapHidClient {
  readonly #connection: HostConnection;
  #channel = broadcastChannel;
  #info: DeviceInfo;
  #transaction: Transaction | undefined;
  /** Settles when the transaction under way does; the next one waits for it. */
  #previous: Promise<unknown> = Promise.resolve();
  /** Settles when all reports so far are handed to the connection. */
  #sent: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(connection: HostConnection) {
    this.#connection = connection;
    this.#info = { protocolVersion: 0, version: { major: 0, minor: 0, build: 0 }, capabilities: 0 };
    connection.onReport((report) => this.#receive(report));
    connection.onClose(() => {
      this.#isClosed = true;
      this.#fail(new TransportError('io', 'the connection to the device was closed'));
    });
  }

  /** Opens a channel of its own on the device at the other end of `connection`. */
  static async connect(connection: HostConnection): Promise<CtapHidClient> {
    const client = new CtapHidClient(connection);
    await client.init();
    return client;
  }

  get channel(): number {
    return this.#channel;
  }

  get info(): DeviceInfo {
    return this.#info;
  }

  /** Starts the channel afresh, which also drops what it has under way at the device. */
  async init(): Promise<DeviceInfo> {
    this.#fail(new Error('the channel was started afresh'));
    const nonce = crypto.getRandomValues(new Uint8Array(nonceSize));
    const answer = await this.#transact(Command.INIT, nonce, { nonce });
    if (answer.length < initAnswerSize) {
      throw new TransportError('io', `expected an INIT answer of ${initAnswerSize} bytes, got ${answer.length}`);
    }
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
    this.#channel = view.getUint32(8);
    this.#info = {
      protocolVersion: view.getUint8(12),
      version: { major: view.getUint8(13), minor: view.getUint8(14), build: view.getUint8(15) },
      capabilities: view.getUint8(16),
    };
    return this.#info;
  }

  /** Sends a CTAP2 request (command byte and CBOR); resolves to status byte and CBOR. @throws CtapHidError */
  async cbor(request: Uint8Array, { signal, onKeepalive }: CborOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted();
    let cancel = () => {};
    const answer = this.#transact(Command.CBOR, request, {
      onKeepalive,
      onSend: () => {
        signal?.throwIfAborted();
        cancel = () => this.#sendMessage(this.#channel, Command.CANCEL, new Uint8Array(0));
      },
    });
    const onAbort = () => cancel();
    signal?.addEventListener('abort', onAbort);
    return answer.finally(() => signal?.removeEventListener('abort', onAbort));
  }

  /** Sends a U2F request APDU; resolves to the response with its status word. @throws CtapHidError */
  msg(request: Uint8Array): Promise<Uint8Array> {
    return this.#transact(Command.MSG, request);
  }

  /** Resolves to the bytes that came back. @throws CtapHidError */
  ping(payload: Uint8Array): Promise<Uint8Array> {
    return this.#transact(Command.PING, payload);
  }

  async wink(): Promise<void> {
    await this.#transact(Command.WINK, new Uint8Array(0));
  }

  /** Reserves the device for this channel, for 1 to 10 seconds; 0 releases it. @throws CtapHidError */
  async lock(seconds: number): Promise<void> {
    await this.#transact(Command.LOCK, Uint8Array.of(seconds));
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  /** One request and its answer. A channel carries one transaction at a time, so this one waits for its turn. */
  #transact(command: number, payload: Uint8Array, options: Partial<Transaction> = {}): Promise<Uint8Array> {
    const turn = this.#previous.then(() => this.#exchange(command, payload, options));
    this.#previous = turn.catch(() => undefined);
    return turn;
  }

  #exchange(command: number, payload: Uint8Array, options: Partial<Transaction>): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        reject(new TransportError('io', 'the connection to the device was closed'));
        return;
      }
      const { nonce, onKeepalive, onSend } = options;
      onSend?.();
      const channel = this.#channel;
      const timer = this.#startTimer();
      this.#transaction = { channel, command, nonce, onKeepalive, onSend, resolve, reject, timer, answer: undefined };
      this.#sendMessage(channel, command, payload);
    });
  }

  #sendMessage(channel: number, command: number, payload: Uint8Array): void {
    const sendAll = async () => {
      for (const report of splitMessage(channel, command, payload)) await this.#connection.send(report);
    };
    // One message after the other: a CANCEL must not overtake the request that it is about.
    this.#sent = this.#sent.then(sendAll).catch((error: Error) => this.#fail(error));
  }

  #receive(report: Uint8Array): void {
    const transaction = this.#transaction;
    const packet = decodePacket(report);
    if (transaction === undefined || packet.channel !== transaction.channel) return;
    clearTimeout(transaction.timer);
    transaction.timer = this.#startTimer();

    if (packet.kind === 'continuation') {
      if (transaction.answer === undefined) return;
      if (!transaction.answer.append(packet)) {
        this.#fail(new TransportError('io', `unexpected sequence number ${packet.sequence} in the device's answer`));
        return;
      }
    } else if (packet.command === Command.KEEPALIVE) {
      transaction.onKeepalive?.(packet.data[0] ?? 0);
      return;
    } else if (packet.command === Command.ERROR) {
      this.#fail(new CtapHidError(packet.data[0] ?? ErrorCode.OTHER));
      return;
    } else if (packet.command !== transaction.command || packet.length > maxMessageSize) {
      // On broadcast this may be the answer to somebody else; on our own channel it is left over from before.
      return;
    } else {
      transaction.answer = new Assembly(packet);
    }
    if (transaction.answer.isComplete) this.#succeed(transaction, transaction.answer.payload);
  }

  #succeed(transaction: Transaction, payload: Uint8Array): void {
    if (transaction.nonce?.some((byte, i) => byte !== payload[i])) return; // another program's INIT
    clearTimeout(transaction.timer);
    this.#transaction = undefined;
    transaction.resolve(payload);
  }

  #fail(error: Error): void {
    const transaction = this.#transaction;
    this.#transaction = undefined;
    clearTimeout(transaction?.timer);
    transaction?.reject(error);
  }

  #startTimer(): ReturnType<typeof setTimeout> {
    return setTimeout(
      () => this.#fail(new TransportError('io', `the device said nothing for ${silenceTimeoutMs / 1000} seconds`)),
      silenceTimeoutMs,
    );
  }
}
