// passfob demo: a throw-away key, with every request approved, and a relying party to try it on.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Prompt, UserGate } from '../../ctap/env.ts';
import { connectSocket } from '../../hid/host/connect-socket.ts';
import { CtapHidClient } from '../../hid/host/ctaphid-client.ts';
import { SocketTransport } from '../../hid/transports/socket.ts';
import { createVault } from '../../store/vault.ts';
import { verifyAlways } from '../consent/automatic.ts';
import { startDaemon } from '../daemon.ts';
import { exitCode, UserError } from '../errors.ts';
import { createLog } from '../log.ts';
import { untilStopped } from '../process-end.ts';
import { canCreateHidDevice, createTransports } from '../transports.ts';

export function defineDemo(command: Command): void {
  command
    .option('--once', 'do not wait for a browser: sign up and sign in once, and end')
    .option('--port <number>', 'the port of the relying party on localhost (default: 8787, or the next free one)', port)
    .action(demo);
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) {
    throw new InvalidArgumentError('a port is a number from 0 to 65535');
  }
  return value;
}

async function demo(flags: { once?: boolean; port?: number }): Promise<void> {
  // Not loaded by any other command: the relying party's library is large.
  const { runDemo } = await import('../demo/demo.ts');
  // Before anything is made that is to be removed at the end.
  const end = untilStopped();
  const directory = mkdtempSync(join(tmpdir(), 'passfob-demo-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const vault = await createVault(join(directory, 'vault'), { passphrase: randomBytes(24).toString('base64url') });
  const visibleToBrowsers = canCreateHidDevice();
  const socket = { kind: 'unix', path: join(directory, 'key.sock') } as const;
  const approvals: ((prompt: Prompt) => void)[] = [];
  const daemon = await startDaemon({
    vault,
    transports: [new SocketTransport(socket), ...(visibleToBrowsers ? createTransports(['uhid'], directory) : [])],
    // Verifies, too: Chromium makes passkeys only on a key that does.
    gate: announced(verifyAlways, approvals),
    consent: 'always',
    log: createLog('warn', (line) => console.error(line)),
    onExit: end.onExit,
    onTransportError: (transport, error) => end.fail(new UserError(`${transport.name} failed: ${error.message}`)),
  });
  const abort = new AbortController();
  void end.stopped.finally(() => abort.abort()).catch(() => {});
  try {
    await runDemo({
      once: flags.once ?? false,
      ...(flags.port !== undefined && { port: flags.port }),
      print: (line) => console.log(line),
      signal: abort.signal,
      key: {
        visibleToBrowsers,
        name: visibleToBrowsers ? 'uhid' : 'socket',
        ...(!visibleToBrowsers && { why: '/dev/uhid cannot be opened here' }),
        async connect() {
          const connection = await connectSocket(socket);
          const client = await CtapHidClient.connect(connection);
          return { cbor: (request, options) => client.cbor(request, options), close: () => connection.close() };
        },
        onApproved: (listener) => void approvals.push(listener),
      },
    });
  } catch (error) {
    if (abort.signal.aborted) {
      // Unless the device failed, which is then the reason.
      await end.stopped;
      throw new UserError('the demo was stopped before it was done', undefined, exitCode.interrupted);
    }
    throw new UserError(`the demo failed: ${(error as Error).message}`, undefined, exitCode.failure);
  } finally {
    await daemon.stop();
  }
}

/** Tells the listeners of every request that `gate` approves. */
function announced(gate: UserGate, listeners: readonly ((prompt: Prompt) => void)[]): UserGate {
  return {
    canVerify: gate.canVerify,
    async ask(prompt, signal) {
      const answer = await gate.ask(prompt, signal);
      if (answer.kind === 'approved') for (const tell of listeners) tell(prompt);
      return answer;
    },
  };
}
