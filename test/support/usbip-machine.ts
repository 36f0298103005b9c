// A machine that has imported a key over USB/IP, and reads from it all the time on behalf of any number of programs, as a
// kernel does. Above it is hid/host/, as above a device file.

import type { HostConnection } from '../../hid/host/host-connection.ts';
import { setupPacket, UsbIpClient } from './usbip-client.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export class UsbIpMachine {
  readonly #client: UsbIpClient;
  readonly #listeners = new Set<(report: Uint8Array) => void>();

  private constructor(client: UsbIpClient) {
    this.#client = client;
    for (let i = 0; i < 2; i++) void this.#read();
  }

  /** Imports the key. While the host before is on its way out, tries again. */
  static async plugIn(address: Address): Promise<UsbIpMachine> {
    const client = await UsbIpClient.connect(address);
    while ((await client.import()).status !== 0) await new Promise(setImmediate);
    return new UsbIpMachine(client);
  }

  /** Whether it has imported the key at this address, and has it still. */
  has({ port }: Address): Promise<boolean> {
    if (this.#client.socket.remotePort !== port) return Promise.resolve(false);
    return this.#client.control(setupPacket(0x80, 0, 0, 0, 2)).then(
      () => true,
      () => false,
    );
  }

  /** A program of this machine. */
  program(): HostConnection {
    const listeners: ((report: Uint8Array) => void)[] = [];
    return {
      send: async (report) => {
        const { status, actualLength } = await this.#client.submit(1, 'out', { data: Buffer.from(report) }).done;
        if (status !== 0 || actualLength !== 64) throw new Error(`sent ${actualLength} bytes, with status ${status}`);
      },
      onReport: (listener) => {
        listeners.push(listener);
        this.#listeners.add(listener);
      },
      onClose: (listener) => void this.#client.closed.then(() => listener()),
      close: async () => {
        for (const listener of listeners) this.#listeners.delete(listener);
      },
    };
  }

  /** Pulls the key out. */
  async unplug(): Promise<void> {
    await this.#client.close();
  }

  async #read(): Promise<void> {
    for (;;) {
      const transfer = await this.#client.submit(1, 'in', { length: 64 }).done.catch(() => undefined);
      if (transfer === undefined) return;
      for (const listener of this.#listeners) listener(Uint8Array.from(transfer.data));
    }
  }
}
