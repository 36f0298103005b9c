// A machine that has imported a key over USB/IP, and reads from it all the time on behalf of any number of programs, as a
// kernel does. Above it is hid/host/, as above a device file.

import type { HostConnection } from '../../hid/host/host-connection.ts';
import { setupPacket, UsbIpClient } from './usbip-client.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

interface Program {
  readonly listeners: ((report: Uint8Array) => void)[];
}

export class UsbIpMachine {
  readonly #client: UsbIpClient;
  readonly #programs = new Set<Program>();
  /** Transfers that wait for a report, while a program has the device open. */
  readonly #reading = new Set<number>();

  private constructor(client: UsbIpClient) {
    this.#client = client;
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

  /** A program of this machine. While there is one, the machine reads; with the last one it stops. */
  program(): HostConnection {
    const program: Program = { listeners: [] };
    this.#programs.add(program);
    if (this.#programs.size === 1) for (let i = 0; i < 2; i++) void this.#read();
    return {
      send: async (report) => {
        const { status, actualLength } = await this.#client.submit(1, 'out', { data: Buffer.from(report) }).done;
        if (status !== 0 || actualLength !== 64) throw new Error(`sent ${actualLength} bytes, with status ${status}`);
      },
      onReport: (listener) => {
        program.listeners.push(listener);
      },
      onClose: (listener) => void this.#client.closed.then(() => listener()),
      close: async () => {
        if (!this.#programs.delete(program) || this.#programs.size > 0) return;
        await Promise.all([...this.#reading].map((sequence) => this.#client.unlink(sequence)));
        this.#reading.clear();
      },
    };
  }

  /** Pulls the key out. */
  async unplug(): Promise<void> {
    await this.#client.close();
  }

  async #read(): Promise<void> {
    while (this.#programs.size > 0) {
      const { sequence, done } = this.#client.submit(1, 'in', { length: 64 });
      this.#reading.add(sequence);
      const transfer = await done.catch(() => undefined);
      if (transfer === undefined) return;
      this.#reading.delete(sequence);
      for (const { listeners } of this.#programs) {
        for (const listener of listeners) listener(Uint8Array.from(transfer.data));
      }
    }
  }
}
