// A small USB/IP host over plain TCP, written from the protocol's document: node: modules only, nothing of the project.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Completion {
  readonly status: number;
  readonly actualLength: number;
  readonly data: Buffer;
}

export interface Urb {
  readonly sequence: number;
  /** Resolves with the reply; rejects if the connection ends first. */
  readonly done: Promise<Completion>;
}

export interface Import {
  readonly status: number;
  /** The device record, if the import was granted. */
  readonly record: Buffer | undefined;
}

type Waiting = { isIn: boolean; resolve: (completion: Completion) => void; reject: (error: Error) => void };

/** The eight bytes of a setup packet. */
export function setupPacket(requestType: number, request: number, value = 0, index = 0, length = 0): Buffer {
  const setup = Buffer.of(requestType, request, 0, 0, 0, 0, 0, 0);
  setup.writeUInt16LE(value, 2);
  setup.writeUInt16LE(index, 4);
  setup.writeUInt16LE(length, 6);
  return setup;
}

/** OP_REQ_DEVLIST and OP_REQ_IMPORT. */
export const deviceListRequest = Buffer.from('0111800500000000', 'hex');
export const importRequest = (busId = '1-1') =>
  Buffer.concat([Buffer.from('0111800300000000', 'hex'), Buffer.from(busId.padEnd(32, '\0'))]);

export interface SubmitOptions {
  readonly length?: number;
  readonly data?: Buffer;
  readonly setup?: Buffer;
  readonly packets?: number;
}

/** USBIP_CMD_SUBMIT; `length` is the room for data to the host, or the size of `data`. */
export function submitCommand(
  sequence: number,
  endpoint: number,
  direction: 'in' | 'out',
  { length = 0, data = Buffer.alloc(0), setup = Buffer.alloc(8), packets = 0xffffffff }: SubmitOptions = {},
): Buffer {
  const command = Buffer.alloc(48);
  const words = [
    1,
    sequence,
    0x00010001,
    direction === 'in' ? 1 : 0,
    endpoint,
    0,
    length || data.length,
    0,
    packets,
    0,
  ];
  for (const [i, word] of words.entries()) command.writeUInt32BE(word, 4 * i);
  command.set(setup, 40);
  return Buffer.concat([command, data]);
}

/** USBIP_CMD_UNLINK. */
export function unlinkCommand(sequence: number, target: number): Buffer {
  const command = Buffer.alloc(48);
  for (const [i, word] of [2, sequence, 0x00010001, 0, 0, target].entries()) command.writeUInt32BE(word, 4 * i);
  return command;
}

export class UsbIpClient {
  readonly socket: Socket;
  /** Resolves when the connection is over. */
  readonly closed: Promise<unknown>;
  #received = Buffer.alloc(0);
  #wake = () => {};
  #sequence = 0;
  readonly #urbs = new Map<number, Waiting>();
  readonly #unlinks = new Map<number, (status: number) => void>();
  #isImported = false;
  /** Replies to nothing that was asked. */
  readonly strays: number[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      if (this.#isImported) this.#handleReplies();
      this.#wake();
    });
    socket.on('close', () => {
      this.#wake();
      for (const { reject } of this.#urbs.values()) reject(new Error('the connection has ended'));
      this.#urbs.clear();
    });
  }

  static async connect({ host, port }: { host: string; port: number }): Promise<UsbIpClient> {
    const socket = connect({ host, port });
    await once(socket, 'connect');
    return new UsbIpClient(socket);
  }

  /** OP_REQ_DEVLIST: the whole reply. */
  async list(): Promise<Buffer> {
    this.socket.write(deviceListRequest);
    const header = await this.#take(12);
    const devices: Buffer[] = [header];
    for (let i = 0; i < header.readUInt32BE(8); i++) {
      const record = await this.#take(312);
      devices.push(record, await this.#take(4 * (record[311] ?? 0)));
    }
    return Buffer.concat(devices);
  }

  async import(busId?: string): Promise<Import> {
    this.socket.write(importRequest(busId));
    const header = await this.#take(8);
    const status = header.readUInt32BE(4);
    if (header.readUInt32BE(0) !== 0x01110003) throw new Error(`no reply to an import: ${header.toString('hex')}`);
    if (status !== 0) return { status, record: undefined };
    const record = await this.#take(312);
    this.#isImported = true;
    return { status, record };
  }

  submit(endpoint: number, direction: 'in' | 'out', options: SubmitOptions = {}): Urb {
    const sequence = ++this.#sequence;
    const done = new Promise<Completion>((resolve, reject) => {
      this.#urbs.set(sequence, { isIn: direction === 'in', resolve, reject });
    });
    done.catch(() => {}); // a transfer that nobody waits for
    this.socket.write(submitCommand(sequence, endpoint, direction, options));
    return { sequence, done };
  }

  /** A control transfer whose direction and size are those of the setup packet. */
  control(setup: Buffer, data: Buffer = Buffer.alloc(0)): Promise<Completion> {
    const isIn = (setup[0] ?? 0) >= 0x80;
    return this.submit(0, isIn ? 'in' : 'out', { setup, data, length: setup.readUInt16LE(6) }).done;
  }

  /** USBIP_CMD_UNLINK: resolves to the status of its reply. */
  unlink(target: number): Promise<number> {
    const sequence = ++this.#sequence;
    this.socket.write(unlinkCommand(sequence, target));
    return new Promise((resolve) => this.#unlinks.set(sequence, resolve));
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#received.length < size) {
      if (this.socket.destroyed) throw new Error('the connection has ended');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#received.subarray(0, size);
    this.#received = this.#received.subarray(size);
    return taken;
  }

  #handleReplies(): void {
    while (this.#received.length >= 48) {
      const header = this.#received;
      const [command, sequence, status] = [header.readUInt32BE(0), header.readUInt32BE(4), header.readInt32BE(20)];
      const actualLength = header.readUInt32BE(24);
      const urb = this.#urbs.get(sequence);
      const size = command === 3 && urb?.isIn ? actualLength : 0;
      if (header.length < 48 + size) return;
      const data = header.subarray(48, 48 + size);
      this.#received = header.subarray(48 + size);
      if (command === 3 && urb) {
        this.#urbs.delete(sequence);
        urb.resolve({ status, actualLength, data });
      } else if (command === 4 && this.#unlinks.has(sequence)) {
        this.#unlinks.get(sequence)?.(status);
        this.#unlinks.delete(sequence);
      } else this.strays.push(sequence);
    }
  }
}
