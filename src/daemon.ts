// The composition root: vault → authenticator → gate → devices, one control socket, and an orderly end.

import { setTimeout as delay } from 'node:timers/promises';
import { Authenticator } from '../ctap/authenticator.ts';
import type { Answer, Clock, Prompt, UserGate, Vault } from '../ctap/env.ts';
import { defaultPolicy } from '../ctap/policy.ts';
import { CtapHidDevice, ProcessingLock } from '../hid/device.ts';
import type { HidTransport } from '../hid/transport.ts';
import { type OpenVault, VaultError } from '../store/vault.ts';
import type { ConsentMode } from './config.ts';
import { ScriptedGate } from './consent/automatic.ts';
import { describePrompt, type PatientGate, patient } from './consent/deadline.ts';
import { type Device, LocalOperations } from './control/local-operations.ts';
import type { DaemonStatus } from './control/protocol.ts';
import { type ControlServer, startControlServer } from './control/server.ts';
import { exitCode, UserError } from './errors.ts';
import type { KeySetup } from './key-setup.ts';
import { KeyLock, type LockSettings } from './lock/key-lock.ts';
import type { LockableVault } from './lock/lockable-vault.ts';
import type { Log } from './log.ts';
import { createOpensslCrypto } from './openssl.ts';
import { unlockBy } from './unlock/way-in.ts';
import { version, versionParts } from './version.ts';

export type DaemonOptions = VaultOptions & KeyOptions;

/** The vault is closed by the daemon when it stops. `lock`: when it is locked, and how it is unlocked. */
type VaultOptions =
  | { readonly vault: OpenVault; readonly lock?: undefined }
  | { readonly vault: LockableVault; readonly lock: LockSettings };

interface KeyOptions {
  readonly transports: readonly HidTransport[];
  readonly gate: UserGate;
  readonly consent: ConsentMode;
  /** As the configuration has it; without it the default policy and self attestation. */
  readonly setup?: KeySetup;
  readonly log: Log;
  /** Where the control socket goes; none for a throw-away key. */
  readonly controlSocket?: string;
  /** Is given `stopNow` before there is any device, for a process that dies while they are made. */
  onExit?(act: () => void): void;
  /** A transport died by itself. */
  onTransportError(transport: HidTransport, error: Error): void;
}

export interface Daemon {
  readonly status: () => DaemonStatus;
  /** Unplugs and plugs every device: a power cycle that keeps the vault. */
  replug(): Promise<void>;
  /** Removes the devices and closes the vault. */
  stop(): Promise<void>;
  /** The same for a dying process: synchronous, the devices and the socket only. */
  stopNow(): void;
}

/** Resolves when hosts can see every device and the control socket answers; otherwise nothing is left behind. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { vault, log } = options;
  const keyLock =
    options.lock &&
    new KeyLock(options.vault, { lock: (closeVault) => authenticator.lock(closeVault) }, options.lock, log);
  const { authenticator, device } = createDevice(
    vault,
    logged(options.gate, log),
    log,
    () => daemon.replug(),
    options.setup,
    keyLock && ((gate) => keyLock.guard(gate)),
  );
  const lock = new ProcessingLock();
  const devices = options.transports.map(
    (transport) =>
      new CtapHidDevice({
        transport,
        handler: {
          cbor: (request, context) => authenticator.cbor(request, context),
          msg: (request, context) => authenticator.msg(request, context),
          wink: () => log.info('a program asks which key this is (wink)'),
        },
        lock,
        version: versionParts,
        onBug: (error) => reportBug(log, error),
        onTransportError: (error) => options.onTransportError(transport, error),
      }),
  );
  const startedAt = new Date().toISOString();
  let control: ControlServer | undefined;
  const inTurn = oneByOne();
  let isStopped = false;

  const daemon: Daemon = {
    status: () => ({
      running: true,
      version,
      pid: process.pid,
      startedAt,
      vault: vault.directory,
      locked: vault.isLocked ?? false,
      credentials: vault.isLocked ? null : countOf(vault),
      transports: options.transports.map((transport) => transport.name),
      consent: options.consent,
    }),
    replug: () =>
      inTurn(async () => {
        await Promise.all(devices.map((each) => each.close()));
        authenticator.powerCycle();
        for (const each of devices) {
          if (isStopped) throw new UserError('the daemon is being stopped', undefined, exitCode.daemon);
          await each.open().catch((error: Error) => {
            // There is no key without its device.
            options.onTransportError(each.transport, error);
            throw new UserError(
              `the key could not be plugged in again: ${error.message}`,
              undefined,
              exitCode.transport,
            );
          });
        }
        log.info('replugged');
      }),
    stop() {
      isStopped = true;
      keyLock?.stop();
      return inTurn(async () => {
        await Promise.all(devices.map((each) => each.close()));
        await control?.close();
        await vault.close();
      });
    },
    stopNow() {
      for (const each of devices) each.closeNow();
      control?.closeNow();
    },
  };

  options.onExit?.(() => daemon.stopNow());
  try {
    if (options.controlSocket) {
      control = await startControlServer(
        options.controlSocket,
        new LocalOperations(vault, device),
        {
          status: daemon.status,
          replug: daemon.replug,
          lock: () => lockOf(keyLock).lock(),
          async unlock(way) {
            if (!way) return lockOf(keyLock).unlockByItself();
            await lockOf(keyLock).unlock(unlockBy(way));
            return true;
          },
          setConsent: (mode) => scripted(options.gate).set(mode),
        },
        log,
      );
    }
    // Now, so that the first sign-in does not wait for the disk.
    if (!vault.isLocked) vault.reserveSignCounts();
    for (const each of devices) await each.open();
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  return daemon;
}

/** Null where it cannot be read: whatever befell the vault, its daemon can be told to lock and unlock it. */
function countOf(vault: OpenVault): number | null {
  try {
    return vault.credentialCount();
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}

/** Runs what it is given one after the other: a device that is being unplugged cannot be plugged in. */
function oneByOne(): (act: () => Promise<void>) => Promise<void> {
  let last = Promise.resolve();
  return (act) => {
    const turn = last.then(act);
    last = turn.catch(() => undefined);
    return turn;
  };
}

/** The authenticator on a vault, with the real clock and cryptography, and what the operations need of it. */
export function createDevice(
  vault: Vault,
  gate: UserGate,
  log: Log,
  replug: (() => Promise<void>) | undefined,
  { policy, ...attestationKeys }: KeySetup = { policy: defaultPolicy },
  guard: (gate: PatientGate) => UserGate = (unguarded) => unguarded,
): { authenticator: Authenticator; device: Device } {
  const authenticator = new Authenticator(
    {
      ...attestationKeys,
      vault,
      gate: guard(patient(gate, policy.userPresenceTimeoutMs)),
      crypto: createOpensslCrypto(),
      clock: systemClock,
      reportBug: (error) => reportBug(log, error),
    },
    policy,
  );
  return {
    authenticator,
    device: {
      aaguid: policy.aaguid,
      cbor: (request) => authenticator.cbor(request, noContext),
      replug: replug ?? (async () => authenticator.powerCycle()),
    },
  };
}

const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  // A U2F request that was answered in the meantime must not keep the process alive.
  delay: (ms) => delay(ms, undefined, { ref: false }),
};

/** For requests that come from no host. */
const noContext = { channel: 0, signal: new AbortController().signal, waitingFor: () => {} };

function scripted(gate: UserGate): ScriptedGate {
  if (gate instanceof ScriptedGate) return gate;
  throw new UserError(
    'this daemon is not steered by a script',
    'start it with `passfob run --consent scripted`',
    exitCode.daemon,
  );
}

function lockOf(keyLock: KeyLock | undefined): KeyLock {
  if (keyLock) return keyLock;
  throw new UserError('this daemon keeps its vault open', undefined, exitCode.daemon);
}

const answerWord = {
  approved: 'approved',
  declined: 'declined',
  'timed-out': 'nobody answered',
  cancelled: 'cancelled',
};

/** Tells the log what was asked and what came of it. */
function logged(gate: UserGate, log: Log): UserGate {
  return {
    ...gate,
    async ask(prompt: Prompt, signal): Promise<Answer> {
      log.debug(`waiting for a touch: ${describePrompt(prompt)}`);
      const answer = await gate.ask(prompt, signal);
      const isStranger = prompt.verify && answer.kind === 'approved' && !answer.verified;
      log.info(`${describePrompt(prompt)}: ${isStranger ? 'not verified' : answerWord[answer.kind]}`);
      return answer;
    },
  };
}

function reportBug(log: Log, error: unknown): void {
  log.error(`this is a bug in passfob, please report it: ${error instanceof Error ? error.stack : String(error)}`);
}
