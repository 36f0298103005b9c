// A CTAPHID device: one transport below, one handler of messages above. It adds to the channel machine what needs time
// and waiting: keepalive messages, cancelling, deadlines. It knows messages, not CTAP.

import { nextChannelId } from './channel-ids.ts';
import { ChannelMachine, type DeviceVersion, type Outcome, type Request } from './channels.ts';
import { splitMessage } from './packet.ts';
import { ProcessingLock } from './processing-lock.ts';
import type { HidTransport } from './transport.ts';
import { Command, KeepaliveStatus, maxMessageSize } from './wire.ts';

export { ProcessingLock } from './processing-lock.ts';

/** The specification asks for 100 ms; Windows is known to give up early on keys that are late. */
export const keepaliveIntervalMs = 50;

/** A timer that is later than this tells that the whole process stood still; so long takes what it has missed. */
const stallMs = 100;

/** What is answered when the handler fails against its contract: CTAP1_ERR_OTHER, or SW 6F00 for U2F. */
const brokenHandlerAnswer = {
  [Command.CBOR]: Uint8Array.of(0x7f),
  [Command.MSG]: Uint8Array.of(0x6f, 0x00),
} as const;

export interface MessageContext {
  /** Unique over all devices of the process. */
  readonly channel: number;
  /** Aborts on CTAPHID_CANCEL, on INIT of the same channel, when the last host closes the device, and when it goes away. */
  readonly signal: AbortSignal;
  /** Chooses the status of the keepalive messages; at first `processing`. */
  waitingFor(what: 'processing' | 'user'): void;
}

/** Answers complete messages, 1 to 7609 bytes both ways, one at a time; settles soon after `signal` aborts. */
export interface MessageHandler {
  cbor(request: Uint8Array, context: MessageContext): Promise<Uint8Array>;
  msg(request: Uint8Array, context: MessageContext): Promise<Uint8Array>;
  wink?(): void;
}

export interface CtapHidDeviceOptions {
  readonly transport: HidTransport;
  readonly handler: MessageHandler;
  /** Shared by all devices of one authenticator; without it the device has one of its own. */
  readonly lock?: ProcessingLock;
  readonly version: DeviceVersion;
  /** Told when the handler rejects or answers what cannot be sent; the host gets a general error. Must not throw. */
  onBug(error: unknown): void;
  /** Told once when the transport dies by itself. The device is closed then, and may be opened again. */
  onTransportError?(error: Error): void;
}

export class CtapHidDevice {
  readonly transport: HidTransport;
  readonly #options: CtapHidDeviceOptions;
  readonly #machine: ChannelMachine;
  /** The request whose answer the host waits for. */
  #exchange: Exchange | undefined;
  #deadlineTimer: ReturnType<typeof setTimeout> | undefined;
  #isOpen = false;

  constructor(options: CtapHidDeviceOptions) {
    this.transport = options.transport;
    this.#options = options;
    const processing = options.lock ?? new ProcessingLock();
    this.#machine = new ChannelMachine({ version: options.version, nextChannelId, processing });
  }

  /** Plugs the device in: resolves when a host can see it. @throws TransportError if the transport cannot be opened */
  async open(): Promise<void> {
    this.#isOpen = true;
    try {
      await this.transport.open(
        (report) => {
          if (this.#isOpen) this.#perform(this.#machine.receive(report, performance.now()));
        },
        (error) => this.#transportFailed(error),
        () => this.#abandon(),
      );
    } catch (error) {
      this.#unplug();
      throw error;
    }
  }

  /** Pulls the device out: a running request is aborted, channels are forgotten. It can be opened again. */
  async close(): Promise<void> {
    this.#unplug();
    await this.transport.close();
  }

  /** The same, at once and synchronously, for a process that is about to end. Never throws. */
  closeNow(): void {
    this.#unplug();
    this.transport.closeNow();
  }

  #perform(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      switch (outcome.kind) {
        case 'send':
          this.#send(outcome.channel, outcome.command, outcome.payload);
          break;
        case 'request':
          void this.#process(outcome);
          break;
        case 'cancel':
          this.#exchange?.cancel();
          break;
        case 'abort':
          this.#abort();
          break;
        case 'wink':
          this.#wink();
          break;
      }
    }
    this.#watchDeadline();
  }

  async #process(request: Request): Promise<void> {
    const { channel, command } = request;
    const exchange = new Exchange(channel, (status) => {
      if (command === Command.CBOR) this.#send(channel, Command.KEEPALIVE, Uint8Array.of(status));
    });
    this.#exchange = exchange;
    if (request.isCancelled) exchange.cancel();
    const reports = splitMessage(channel, command, await this.#answer(request, exchange));
    exchange.end();
    if (this.#exchange === exchange) {
      this.#exchange = undefined;
      this.#sendReports(reports);
    }
    this.#perform(this.#machine.settle());
  }

  async #answer({ command, payload }: Request, exchange: Exchange): Promise<Uint8Array> {
    const { handler, onBug } = this.#options;
    try {
      const answer = await (command === Command.CBOR
        ? handler.cbor(payload, exchange)
        : handler.msg(payload, exchange));
      if (answer.length <= maxMessageSize) return answer;
      onBug(new RangeError(`expected an answer of at most ${maxMessageSize} bytes, got ${answer.length}`));
    } catch (error) {
      onBug(error);
    }
    return brokenHandlerAnswer[command];
  }

  #wink(): void {
    try {
      this.#options.handler.wink?.();
    } catch (error) {
      this.#options.onBug(error);
    }
  }

  /** Ends the running request without an answer. */
  #abort(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.end();
    exchange?.cancel();
  }

  #unplug(): void {
    this.#isOpen = false;
    this.#machine.forget();
    this.#abandon();
  }

  /** Nobody is left to send the rest of a message, or to read an answer. */
  #abandon(): void {
    this.#machine.abandon();
    this.#watchDeadline();
    this.#abort();
  }

  #send(channel: number, command: number, payload: Uint8Array): void {
    this.#sendReports(splitMessage(channel, command, payload));
  }

  #sendReports(reports: readonly Uint8Array[]): void {
    // Not awaited: a transport keeps the order, and a slow host must not keep others from being heard.
    for (const report of reports) {
      if (!this.#isOpen) return;
      this.transport.send(report).catch((error: Error) => this.#transportFailed(error));
    }
  }

  #transportFailed(error: Error): void {
    if (!this.#isOpen) return;
    this.#unplug();
    this.#options.onTransportError?.(error);
  }

  /** One timer for a whole message: it is moved when it fires, not with every packet. */
  #watchDeadline(): void {
    const { deadline } = this.#machine;
    if (deadline === undefined) {
      clearTimeout(this.#deadlineTimer);
      this.#deadlineTimer = undefined;
    } else {
      this.#deadlineTimer ??= this.#wakeAt(deadline);
    }
  }

  #wakeAt(due: number): ReturnType<typeof setTimeout> {
    const wake = () => {
      this.#deadlineTimer = undefined;
      const now = performance.now();
      // A process that stood still has not read yet what the host sent meanwhile.
      if (now - due > stallMs) this.#deadlineTimer = this.#wakeAt(now + stallMs);
      else this.#perform(this.#machine.tick(now));
    };
    return setTimeout(wake, Math.ceil(due - performance.now()));
  }
}

/** One request in the handler's hands: its keepalive messages and its abort signal. */
class Exchange implements MessageContext {
  readonly channel: number;
  readonly #controller = new AbortController();
  readonly #sendKeepalive: (status: number) => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #status: number = KeepaliveStatus.PROCESSING;
  /** The status that the host believes in. */
  #announced: number = KeepaliveStatus.PROCESSING;
  #announcement: ReturnType<typeof setImmediate> | undefined;
  #hasEnded = false;

  constructor(channel: number, sendKeepalive: (status: number) => void) {
    this.channel = channel;
    this.#sendKeepalive = sendKeepalive;
    this.#timer = setInterval(() => this.#announce(), keepaliveIntervalMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  waitingFor(what: 'processing' | 'user'): void {
    const status = what === 'user' ? KeepaliveStatus.UPNEEDED : KeepaliveStatus.PROCESSING;
    if (this.#hasEnded || status === this.#status) return;
    this.#status = status;
    // In the next turn: an answer that comes at once, with nobody to wait for, is not announced.
    this.#announcement ??= setImmediate(() => {
      this.#announcement = undefined;
      if (!this.#hasEnded && this.#status !== this.#announced) this.#announce();
    });
  }

  #announce(): void {
    this.#announced = this.#status;
    this.#sendKeepalive(this.#status);
  }

  cancel(): void {
    this.#controller.abort();
  }

  /** No keepalive message from here on. */
  end(): void {
    this.#hasEnded = true;
    clearInterval(this.#timer);
    clearImmediate(this.#announcement);
  }
}
