// Real daemons in one process: two ways into one key take turns and never mix; two keys know nothing of each other.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { connectSocket } from '../../../hid/host/connect-socket.ts';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import type { HidTransport } from '../../../hid/transport.ts';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { SocketTransport } from '../../../hid/transports/socket.ts';
import { ErrorCode, KeepaliveStatus } from '../../../hid/wire.ts';
import { ScriptedGate } from '../../../src/consent/automatic.ts';
import { type Daemon, startDaemon } from '../../../src/daemon.ts';
import { createLog } from '../../../src/log.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { createVault } from '../../../store/vault.ts';

let folder: string;
let daemons: Daemon[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-several-'));
  daemons = [];
});
afterEach(async () => {
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  rmSync(folder, { recursive: true });
});

async function plugIn(name: string, transports: readonly HidTransport[]): Promise<ScriptedGate> {
  const gate = new ScriptedGate();
  const vault = await createVault(join(folder, name), { passphrase: 'test' }, { scryptLogN: 4 });
  const daemon = await startDaemon({
    vault,
    transports,
    gate,
    consent: 'scripted',
    log: createLog('silent', () => undefined),
    onTransportError: (_, error) => expect.fail(error.message),
  });
  daemons.push(daemon);
  return gate;
}

const socket = (name: string) => ({ kind: 'unix', path: join(folder, `${name}.sock`) }) as const;
const viaSocket = async (name: string) => CtapHidClient.connect(await connectSocket(socket(name)));

/** Asks for a touch; `asked` resolves when the key waits for it. */
function select(client: CtapHidClient) {
  let onAsked = () => {};
  const asked = new Promise<void>((resolve) => {
    onAsked = resolve;
  });
  const onKeepalive = (status: number) => status === KeepaliveStatus.UPNEEDED && onAsked();
  return { asked, done: new CtapClient(client).selection({ onKeepalive: (status) => void onKeepalive(status) }) };
}

test('while a person is asked for one transport, requests on another of the same key are told that it is busy', async () => {
  const loopback = new LoopbackTransport();
  const gate = await plugIn('key', [loopback, new SocketTransport(socket('key'))]);
  const [onLoopback, onSocket] = [await CtapHidClient.connect(loopback.connect()), await viaSocket('key')];

  for (const [first, other] of [
    [onLoopback, onSocket],
    [onSocket, onLoopback],
  ] as const) {
    const touch = select(first);
    await touch.asked;
    await expect(new CtapClient(other).getInfo()).rejects.toMatchObject({ code: ErrorCode.CHANNEL_BUSY });
    gate.set('once');
    await touch.done;
    expect((await new CtapClient(other).getInfo()).versions).toContain('FIDO_2_1');
  }
});

test('messages that arrive on two transports at once, packet by packet, are not mixed', async () => {
  const loopback = new LoopbackTransport();
  await plugIn('key', [loopback, new SocketTransport(socket('key'))]);
  const clients = [await CtapHidClient.connect(loopback.connect()), await viaSocket('key')];
  const rounds = Array.from({ length: 3 }, (_, round) => round);
  await Promise.all(
    clients.map(async (client, i) => {
      for (const round of rounds) {
        const message = new Uint8Array(7000).fill(2 * round + i);
        expect(await client.ping(message)).toEqual(message);
      }
    }),
  );
});

test('each of two keys answers while a person is asked for the other', async () => {
  const gate = await plugIn('work', [new SocketTransport(socket('work'))]);
  await plugIn('home', [new SocketTransport(socket('home'))]);
  const touch = select(await viaSocket('work'));
  await touch.asked;
  const home = new CtapClient(await viaSocket('home'));
  expect((await home.getInfo()).versions).toContain('FIDO_2_1');
  gate.set('once');
  await touch.done;
});

test('the touch of one key is no touch of the other', async () => {
  const gates = [
    await plugIn('work', [new SocketTransport(socket('work'))]),
    await plugIn('home', [new SocketTransport(socket('home'))]),
  ];
  const [work, home] = [select(await viaSocket('work')), select(await viaSocket('home'))];
  const homeIsDone = vi.fn();
  void home.done.then(homeIsDone);
  await Promise.all([work.asked, home.asked]);
  gates[0]?.set('once');
  await work.done;
  expect(homeIsDone).not.toHaveBeenCalled();
  gates[1]?.set('once');
  await home.done;
});
