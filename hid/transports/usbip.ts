// The key as a USB device that other machines, virtual machines and this kernel can import over TCP: a USB/IP server.
// As with a USB port, one host has the device at a time.

import { createServer, type Server, type Socket } from 'node:net';
import type { DeviceIdentity, HidTransport } from '../transport.ts';
import { TransportError } from '../transport-error.ts';
import { formatTransport, type UsbIpAddress } from './address.ts';
import { Pacer } from './pacer.ts';
import { errorCode, listen } from './unix-socket.ts';
import { Peer } from './usbip/peer.ts';
import { attachToVhci, type VhciAttachment } from './usbip/vhci.ts';

/** One host has the device; the others ask what there is. */
const maxPeers = 16;
const patienceMs = 15_000;

export interface UsbIpOptions {
  /** Also attaches the device to this machine's own kernel, through vhci-hcd. */
  readonly attach?: boolean;
  /** For tests: how long a peer may take for a request, or to fetch the next report. */
  readonly patienceMs?: number;
}

export class UsbIpTransport implements HidTransport {
  readonly #identity: DeviceIdentity;
  readonly #options: UsbIpOptions;
  #address: UsbIpAddress;
  #server: Server | undefined;
  readonly #peers = new Set<Peer>();
  /** Who has imported the device. */
  #host: Peer | undefined;
  #attachment: VhciAttachment | undefined;
  /** The kernel's hidraw drops what its readers do not fetch in time. */
  readonly #pacer = new Pacer((report) => this.#host?.send(report));

  constructor(address: UsbIpAddress, identity: DeviceIdentity, options: UsbIpOptions = {}) {
    this.#address = address;
    this.#identity = identity;
    this.#options = options;
  }

  /** Where hosts connect; once open, with the port that the system chose for port 0. */
  get address(): UsbIpAddress {
    return this.#address;
  }

  get name(): string {
    return formatTransport(this.#address);
  }

  /**
   * Resolves when hosts can import the device; with `attach`, when this kernel shows it.
   * @throws TransportError `in-use`, `no-device`, `no-permission` or `io`, with a hint how to mend it
   */
  async open(
    onReport: (report: Uint8Array) => void,
    _onError: (error: Error) => void,
    onAbandoned: () => void = () => {},
  ): Promise<void> {
    const server = createServer((socket) => this.#serve(socket, onReport, onAbandoned));
    server.maxConnections = maxPeers;
    try {
      await listen(server, this.#address);
    } catch (error) {
      throw this.#asTransportError(error);
    }
    this.#server = server;
    const bound = server.address();
    if (bound !== null && typeof bound === 'object') this.#address = { ...this.#address, port: bound.port };
    if (this.#options.attach) await this.#attach();
  }

  async send(report: Uint8Array): Promise<void> {
    if (this.#host !== undefined) this.#pacer.send(Uint8Array.from(report));
  }

  async close(): Promise<void> {
    await this.#attachment?.detach();
    const server = this.#server;
    const closed = server && new Promise((resolve) => server.once('close', resolve));
    this.closeNow();
    await closed;
  }

  closeNow(): void {
    this.#attachment?.detachNow();
    this.#attachment = undefined;
    this.#server?.close();
    this.#server = undefined;
    this.#host = undefined;
    this.#pacer.stop();
    for (const peer of this.#peers) peer.drop();
  }

  async #attach(): Promise<void> {
    try {
      this.#attachment = await attachToVhci(this.#address);
      await this.#attachment.untilBound();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  #serve(socket: Socket, onReport: (report: Uint8Array) => void, onAbandoned: () => void): void {
    const peer = new Peer(socket, {
      identity: this.#identity,
      patienceMs: this.#options.patienceMs ?? patienceMs,
      claim: () => {
        if (this.#host?.isSilent) {
          this.#host.drop();
          this.#release(onAbandoned);
        }
        if (this.#host !== undefined) return false;
        this.#host = peer;
        return true;
      },
      onReport,
      onAbandoned: () => {
        this.#pacer.stop();
        onAbandoned();
      },
    });
    this.#peers.add(peer);
    socket.once('close', () => {
      this.#peers.delete(peer);
      if (this.#host === peer) this.#release(onAbandoned);
    });
  }

  #release(onAbandoned: () => void): void {
    this.#host = undefined;
    this.#attachment = undefined;
    this.#pacer.stop();
    onAbandoned();
  }

  #asTransportError(cause: unknown): TransportError {
    const problem = (text: string) => `cannot listen on ${this.name}: ${text}`;
    switch (errorCode(cause)) {
      case 'EADDRINUSE':
        return new TransportError('in-use', problem('in use'), {
          hint: 'stop the other program (usbipd takes port 3240), or choose another port: --transport usbip:127.0.0.1:0',
          cause,
        });
      case 'EACCES':
      case 'EPERM':
        return new TransportError('no-permission', problem('permission denied'), { cause });
      default:
        return new TransportError('io', problem(cause instanceof Error ? cause.message : String(cause)), { cause });
    }
  }
}
