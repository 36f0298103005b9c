import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CtapHidDevice, type MessageContext } from '../../../hid/device.ts';
import { connectSocket } from '../../../hid/host/connect-socket.ts';
import { CtapHidClient, CtapHidError, silenceTimeoutMs } from '../../../hid/host/ctaphid-client.ts';
import type { HostConnection } from '../../../hid/host/host-connection.ts';
import { splitMessage } from '../../../hid/packet.ts';
import type { HidTransport } from '../../../hid/transport.ts';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { SocketTransport } from '../../../hid/transports/socket.ts';
import { broadcastChannel, Capability, Command, ErrorCode, KeepaliveStatus } from '../../../hid/wire.ts';
import { inbox } from '../transports/contract.ts';

const echo = 0x01;
const askUser = 0x02;

/** Echoes; a CBOR request that starts with `askUser` waits for its cancellation, and answers 2D then. */
function echoDevice(transport: HidTransport) {
  const asked = inbox<MessageContext>();
  const handler = {
    winks: 0,
    async cbor(request: Uint8Array, context: MessageContext) {
      if (request[0] !== askUser) return request;
      return new Promise<Uint8Array>((resolve) => {
        context.signal.addEventListener('abort', () => resolve(Uint8Array.of(0x2d)));
        context.waitingFor('user');
        asked.put(context);
      });
    },
    msg: async (request: Uint8Array) => Uint8Array.of(...request, 0x90, 0x00),
    wink() {
      this.winks++;
    },
  };
  const version = { major: 1, minor: 2, build: 3 };
  const device = new CtapHidDevice({ transport, handler, version, onBug: (error) => expect.fail(String(error)) });
  return { device, handler, asked };
}

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Rig {
  transport(): HidTransport;
  connect(transport: HidTransport): Promise<HostConnection>;
}

function temporarySocket(): SocketTransport {
  const folder = mkdtempSync(join(tmpdir(), 'passfob-client-'));
  open.push({ close: () => rmSync(folder, { recursive: true }) });
  return new SocketTransport({ kind: 'unix', path: join(folder, 'key.sock') });
}

const rigs: [string, Rig][] = [
  [
    'loopback',
    {
      transport: () => new LoopbackTransport(),
      connect: async (transport) => (transport as LoopbackTransport).connect(),
    },
  ],
  [
    'a socket',
    { transport: temporarySocket, connect: (transport) => connectSocket((transport as SocketTransport).address) },
  ],
];

describe.each(rigs)('CtapHidClient over %s', (_, rig) => {
  async function plugIn() {
    const transport = rig.transport();
    const { device, handler, asked } = echoDevice(transport);
    await device.open();
    open.push(device);
    const newConnection = async () => {
      const connection = await rig.connect(transport);
      open.push(connection);
      return connection;
    };
    const newClient = async () => CtapHidClient.connect(await newConnection());
    return { device, handler, asked, newConnection, newClient, client: await newClient() };
  }

  it('learns what the device is', async () => {
    const { client } = await plugIn();
    expect(client.info).toEqual({
      protocolVersion: 2,
      version: { major: 1, minor: 2, build: 3 },
      capabilities: Capability.WINK | Capability.CBOR,
    });
  });

  it('carries CBOR, MSG and PING of every size, WINK and LOCK', async () => {
    const { client, handler } = await plugIn();
    for (const length of [1, 57, 58, 1024, 7609]) {
      const payload = new Uint8Array(length).fill(echo);
      expect(await client.cbor(payload)).toEqual(payload);
      expect(await client.ping(payload)).toEqual(payload);
    }
    expect(await client.ping(new Uint8Array(0))).toEqual(new Uint8Array(0));
    expect(await client.msg(Uint8Array.of(0, 3))).toEqual(Uint8Array.of(0, 3, 0x90, 0));
    await client.lock(1);
    await client.lock(0);
    await client.wink();
    expect(handler.winks).toBe(1);
  });

  it('rejects with the code of an error message', async () => {
    const { client } = await plugIn();
    const refused = client.lock(11);
    await expect(refused).rejects.toThrow(CtapHidError);
    await expect(refused).rejects.toMatchObject({
      code: ErrorCode.INVALID_PAR,
      message: 'the device answered with CTAPHID error INVALID_PAR',
    });
    await expect(client.cbor(new Uint8Array(0))).rejects.toMatchObject({ code: ErrorCode.INVALID_LEN });
    expect(await client.ping(Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  });

  it('refuses a payload of 7610 bytes itself', async () => {
    const { client } = await plugIn();
    await expect(client.ping(new Uint8Array(7610))).rejects.toThrow(RangeError);
  });

  it('cancels by a signal, and returns the answer of the device', async () => {
    const { client } = await plugIn();
    const controller = new AbortController();
    const statuses: number[] = [];
    const answer = client.cbor(Uint8Array.of(askUser), {
      signal: controller.signal,
      onKeepalive: (status) => {
        statuses.push(status);
        controller.abort();
      },
    });
    expect(await answer).toEqual(Uint8Array.of(0x2d));
    expect(statuses[0]).toBe(KeepaliveStatus.UPNEEDED);
    await expect(client.cbor(Uint8Array.of(echo), { signal: controller.signal })).rejects.toThrow('aborted');
  });

  it('has other programs served or told CHANNEL_BUSY while one asks the person', async () => {
    const { client, asked, newClient } = await plugIn();
    const controller = new AbortController();
    const answer = client.cbor(Uint8Array.of(askUser), { signal: controller.signal });
    await asked.next();
    const other = await newClient();
    const long = new Uint8Array(3000).fill(5);
    expect(await other.ping(long)).toEqual(long);
    await expect(other.cbor(Uint8Array.of(echo))).rejects.toMatchObject({ code: ErrorCode.CHANNEL_BUSY });
    controller.abort();
    expect(await answer).toEqual(Uint8Array.of(0x2d));
    expect(await other.cbor(Uint8Array.of(echo))).toEqual(Uint8Array.of(echo));
  });

  it('starts its channel afresh, which drops the request under way', async () => {
    const { client, asked } = await plugIn();
    const { channel } = client;
    const dropped = client.cbor(Uint8Array.of(askUser));
    const context = await asked.next();
    const [rejection] = await Promise.all([dropped.catch((error: Error) => error.message), client.init()]);
    expect(rejection).toBe('the channel was started afresh');
    expect(context.signal.aborted).toBe(true);
    expect(client.channel).toBe(channel);
    expect(await client.cbor(Uint8Array.of(echo))).toEqual(Uint8Array.of(echo));
  });

  it('shares a connection with others, each with a channel of its own', async () => {
    const { newConnection } = await plugIn();
    const connection = await newConnection();
    const clients = await Promise.all(Array.from({ length: 5 }, () => CtapHidClient.connect(connection)));
    expect(new Set(clients.map(({ channel }) => channel)).size).toBe(5);
    const answers = await Promise.all(clients.map((client, i) => client.ping(Uint8Array.of(i))));
    expect(answers).toEqual(clients.map((_, i) => Uint8Array.of(i)));
  });

  it('keeps calls at once in order', async () => {
    const { client } = await plugIn();
    const calls = Array.from({ length: 20 }, (_, i) => client.ping(new Uint8Array(200).fill(i)));
    expect((await Promise.all(calls)).map(([first]) => first)).toEqual(calls.map((_, i) => i));
  });

  it('rejects what is under way, and all that follows, when the device goes away', async () => {
    const { client, device, asked } = await plugIn();
    const answer = client.cbor(Uint8Array.of(askUser));
    const rejected = expect(answer).rejects.toThrow('the connection to the device was closed');
    await asked.next();
    await device.close();
    await rejected;
    await expect(client.ping(new Uint8Array(0))).rejects.toThrow('the connection to the device was closed');
  });
});

describe('CtapHidClient', () => {
  /** A connection whose device is this test. */
  function fakeConnection() {
    let listener: (report: Uint8Array) => void = () => undefined;
    const sent = inbox<Uint8Array>();
    const connection: HostConnection = {
      send: sent.put,
      onReport: (added) => {
        listener = added;
      },
      onClose: () => undefined,
      close: async () => undefined,
    };
    const deliver = (report: Uint8Array) => listener(report);
    const answer = (...message: Parameters<typeof splitMessage>) => splitMessage(...message).forEach(deliver);
    return { connection, sent, deliver, answer };
  }

  async function connected() {
    const parts = fakeConnection();
    const connecting = CtapHidClient.connect(parts.connection);
    const request = await parts.sent.next();
    const payload = Uint8Array.of(...request.subarray(7, 15), 0, 0, 0, 9, 2, 0, 0, 0, 4);
    parts.answer(broadcastChannel, Command.INIT, payload.with(0, payload[0] === 0 ? 1 : 0)); // another program's
    parts.answer(broadcastChannel, Command.INIT, payload);
    return { ...parts, client: await connecting };
  }

  it('takes only the INIT answer that carries its nonce', async () => {
    expect((await connected()).client.channel).toBe(9);
  });

  it('leaves alone what goes to other channels', async () => {
    const { client, sent, answer } = await connected();
    const ping = client.ping(Uint8Array.of(1));
    await sent.next();
    answer(8, Command.PING, Uint8Array.of(8));
    answer(8, Command.ERROR, Uint8Array.of(ErrorCode.OTHER));
    answer(9, Command.PING, Uint8Array.of(9));
    expect(await ping).toEqual(Uint8Array.of(9));
  });

  it('gives up after 3 seconds of silence; a keepalive message breaks the silence', async () => {
    vi.useFakeTimers();
    try {
      const { client, sent, answer } = await connected();
      const outcome = client.cbor(Uint8Array.of(1)).catch((error: Error) => error.message);
      await sent.next();
      await vi.advanceTimersByTimeAsync(silenceTimeoutMs - 1);
      answer(9, Command.KEEPALIVE, Uint8Array.of(KeepaliveStatus.UPNEEDED));
      await vi.advanceTimersByTimeAsync(silenceTimeoutMs - 1);
      expect(vi.getTimerCount()).toBe(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(await outcome).toBe('the device said nothing for 3 seconds');
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('rejects an answer whose packets are out of order', async () => {
    const { client, sent, deliver } = await connected();
    const ping = client.ping(Uint8Array.of(1));
    await sent.next();
    const [start = new Uint8Array(64), , third = new Uint8Array(64)] = splitMessage(9, 1, new Uint8Array(200));
    const rejected = expect(ping).rejects.toThrow("unexpected sequence number 1 in the device's answer");
    deliver(start);
    deliver(third);
    await rejected;
  });
});

it('connectSocket says where nobody listens', async () => {
  await expect(connectSocket({ kind: 'unix', path: '/nonexistent/key.sock' })).rejects.toMatchObject({
    name: 'TransportError',
    code: 'no-device',
    message: expect.stringContaining('cannot connect to socket:/nonexistent/key.sock: '),
  });
});
