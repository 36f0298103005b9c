// A bare host for measuring: sends ready-made reports over a socket and waits for the whole answer. It does as little
// as can be done, so that what is measured is the key and the transport.

import { connect, type Socket } from 'node:net';

const reportSize = 64;
const initCommand = 0x86;
const keepaliveCommand = 0xbb;
const broadcast = 0xffffffff;

export class ReportClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
  }

  static async connect(path: string): Promise<ReportClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new ReportClient(socket);
  }

  /** CTAPHID_INIT: the channel that the key gives out. */
  async openChannel(): Promise<number> {
    const answer = await this.exchange(toReports(broadcast, initCommand, new Uint8Array(8)));
    return answer.readUInt32BE(8);
  }

  /** Sends a message's reports and resolves with the payload of the answer, keepalives left out. */
  async exchange(reports: Uint8Array): Promise<Buffer> {
    this.#socket.write(reports);
    for (;;) {
      const first = await this.#take(reportSize);
      if (first[4] === keepaliveCommand) continue;
      const length = first.readUInt16BE(5);
      const more = Math.ceil(Math.max(0, length - 57) / 59);
      const rest = await this.#take(more * reportSize);
      const pieces = Array.from({ length: more }, (_, i) => rest.subarray(i * reportSize + 5, (i + 1) * reportSize));
      return Buffer.concat([first.subarray(7), ...pieces]).subarray(0, length);
    }
  }

  /** Sends `reports` and waits for `answerReports` reports, whatever is in them. */
  async echo(reports: Uint8Array, answerReports: number): Promise<void> {
    this.#socket.write(reports);
    await this.#take(answerReports * reportSize);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#received.length < size) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#received.subarray(0, size);
    this.#received = this.#received.subarray(size);
    return taken;
  }
}

/** One message as the reports that carry it, in one piece. CTAPHID §11.2.4. */
export function toReports(channel: number, command: number, payload: Uint8Array): Buffer {
  const reports = Buffer.alloc(reportCount(payload.length) * reportSize);
  for (let at = 0; at < reports.length; at += reportSize) reports.writeUInt32BE(channel, at);
  reports[4] = command;
  reports.writeUInt16BE(payload.length, 5);
  reports.set(payload.subarray(0, 57), 7);
  for (let sequence = 0, from = 57; from < payload.length; sequence++, from += 59) {
    const at = (sequence + 1) * reportSize;
    reports[at + 4] = sequence;
    reports.set(payload.subarray(from, from + 59), at + 5);
  }
  return reports;
}

/** How many reports carry `length` bytes. */
export function reportCount(length: number): number {
  return 1 + Math.ceil(Math.max(0, length - 57) / 59);
}
