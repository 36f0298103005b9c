// passfob run: one key or several, in one process, until stopped.

import type { Command } from 'commander';
import type { UserGate } from '../../ctap/env.ts';
import type { HidTransport } from '../../hid/transport.ts';
import { readSlots } from '../../store/vault.ts';
import type { Config, ConsentMode } from '../config.ts';
import { approveAlways, declineAlways, ScriptedGate, verifyAlways } from '../consent/automatic.ts';
import { type CheckWords, openTerminal, type TerminalDesk } from '../consent/terminal.ts';
import { controlSocketPath } from '../control/address.ts';
import { ControlClient } from '../control/client.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { exitCode, UserError } from '../errors.ts';
import { type KeySetup, keySetupOf } from '../key-setup.ts';
import { chosenKeys, type KeyChoice } from '../keys/chosen-keys.ts';
import { forEachKey, nameKey } from '../keys/for-each-key.ts';
import type { LockSettings } from '../lock/key-lock.ts';
import { lockSettings } from '../lock/lock-settings.ts';
import { LockableVault } from '../lock/lockable-vault.ts';
import { createLog, type Log } from '../log.ts';
import { type ProcessEnd, untilStopped } from '../process-end.ts';
import { keepMemorySmall } from '../small-memory.ts';
import { createTransports, type TransportOptions } from '../transports.ts';
import { opensByItself, unlockVault } from '../unlock/unlock-vault.ts';
import { vaultsOptions } from './key-session.ts';
import { requireVault } from './require-vault.ts';

export function defineRun(command: Command): void {
  vaultsOptions(command)
    .option(
      '--transport <how...>',
      'auto, uhid, gadget[:UDC], usbip[:HOST:PORT], socket:PATH or tcp:HOST:PORT; repeatable (default: auto)',
    )
    .option('--attach', 'with usbip: plug the key into this machine as well (Linux, vhci-hcd)')
    .option('--allow-remote', 'with usbip: listen also where other machines can connect, and use the key')
    .option('--consent <mode>', 'ask, always, never or scripted (default: ask)')
    .option(
      '--verify',
      "user verification: with --consent ask by the vault's passphrase; otherwise for tests, by nothing",
    )
    .option('--locked', 'start with the vault locked; the first request that needs it asks for it')
    .option('--lock-after <minutes>', 'lock the vault after so long without use (default: never)')
    .option(
      '--lock-on-screen-lock',
      'lock the vault with the screen and when the machine sleeps (default, where it can be had)',
    )
    .option('--no-lock-on-screen-lock', 'do not')
    .option('--profile <profile>', 'how much the key shows of what it can do: compatible or full (default: compatible)')
    .option('--attestation <kind>', 'how it attests registrations: self, certificate or none (default: self)')
    .option('--reset-window <when>', 'when programs may ask for a reset: power-up or always (default: power-up)')
    .option('--log-level <level>', 'silent, error, warn, info or debug (default: info)')
    .action(run);
}

/** A key whose configuration has been found to work, as far as that can be told before its vault is open. */
interface Plan {
  readonly keyName: string | undefined;
  readonly config: Config;
  /** Still locked. */
  readonly vault: LockableVault;
  readonly gate: UserGate;
  readonly transports: readonly HidTransport[];
  readonly log: Log;
}

interface ReadyKey extends Plan {
  readonly setup: KeySetup;
}

interface RunFlags extends KeyChoice, TransportOptions {
  readonly verify?: boolean;
  readonly locked?: boolean;
}

async function run({
  verify = false,
  locked = false,
  attach = false,
  allowRemote = false,
  ...flags
}: RunFlags): Promise<void> {
  keepMemorySmall();
  const configs = chosenKeys(flags);
  const desk = process.stdin.isTTY ? openTerminal() : undefined;
  const createGate = gateMaker(verify, desk);
  const plans = await forEachKey(configs, (config) =>
    plan(config, configs.length > 1, createGate, { attach, allowRemote }),
  );
  if (verify)
    await forEachKey(
      plans.filter(({ config }) => config.consent === 'ask'),
      ({ config }) => requirePassphrase(config.vaultDirectory),
    );
  const keys = await forEachKey(
    plans,
    (key) => unlock(key, locked),
    ({ vault }) => vault.close(),
  );
  const end = untilStopped();
  let daemons: Daemon[] = [];
  try {
    daemons = await forEachKey(
      keys,
      (key) => plugIn(key, lockSettings(key.config, key.log, desk, locked), end),
      (daemon) => daemon.stop(),
    );
    console.log(`ready: ${plans.map(describe).join('; ')}`);
    await end.stopped;
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    // Where one key could not be plugged in, those after it have no daemon that closes their vaults.
    await Promise.all(keys.map(({ vault }) => vault.close()));
  }
}

/** Everything that can be refused before anybody is asked for a passphrase. */
async function plan(
  config: Config,
  isOneOfSeveral: boolean,
  createGate: GateMaker,
  options: TransportOptions,
): Promise<Plan> {
  const { keyName, vaultDirectory, consent } = config;
  requireVault(vaultDirectory);
  const other = await new ControlClient(controlSocketPath(vaultDirectory)).status();
  if (other) {
    throw new UserError(
      `a daemon (process ${other.pid}) serves the vault ${vaultDirectory} already`,
      'stop it first, or name another vault with --vault',
      exitCode.daemon,
    );
  }
  const shownName = isOneOfSeveral ? keyName : undefined;
  const log = createLog(config.logLevel, (line) => console.error(line), shownName);
  const vault = new LockableVault(vaultDirectory);
  const transports = createTransports(config.transports, vaultDirectory, { own: config, ...options });
  const gate = createGate({ consent, shownName, isOwner: (passphrase) => vault.opensWith({ passphrase }) });
  if (consent === 'always') {
    log.warn('consent is "always": every program that can open the device can use every credential, unseen');
  }
  if (options.allowRemote) {
    log.warn('other machines may connect: whoever reaches the USB/IP port can use the key');
  }
  return { keyName, config, vault, gate, transports, log };
}

/** Opens the vault if it opens by itself or somebody can be asked now; otherwise it stays locked. */
async function unlock(plan: Plan, staysLocked: boolean): Promise<ReadyKey> {
  const { config, vault, log } = plan;
  const setup = await keySetupOf(config);
  if (!staysLocked) {
    const notice = (line: string) => log.info(line);
    const open = process.stdin.isTTY ? unlockVault : opensByItself;
    const opened = await open(config.vaultDirectory, config, { notice });
    if (opened) vault.unlock(opened);
  }
  return { ...plan, setup };
}

async function plugIn(key: ReadyKey, lock: LockSettings, end: ProcessEnd): Promise<Daemon> {
  const { config, vault, transports, gate, setup, log } = key;
  const daemon = await startDaemon({
    vault,
    lock,
    transports,
    gate,
    consent: config.consent,
    setup,
    log,
    controlSocket: controlSocketPath(config.vaultDirectory),
    onExit: end.onExit,
    onTransportError: ({ name }, error) =>
      end.fail(nameKey(new UserError(`${name} failed: ${error.message}`, undefined, exitCode.transport), config)),
  });
  if (vault.isLocked) log.info('the vault is locked: `passfob unlock` opens it');
  return daemon;
}

/** `work on uhid, tcp:127.0.0.1:7000`; without a name `uhid`. */
function describe({ keyName, transports }: Plan): string {
  const places = transports.map(({ name }) => name).join(', ');
  return keyName === undefined ? places : `${keyName} on ${places}`;
}

type GateMaker = (key: {
  readonly consent: ConsentMode;
  readonly shownName: string | undefined;
  readonly isOwner: CheckWords;
}) => UserGate;

/** Gates for several keys: those that ask on the terminal take turns there. */
function gateMaker(verify: boolean, desk: TerminalDesk | undefined): GateMaker {
  const gates: Record<ConsentMode, GateMaker> = {
    ask: ({ shownName, isOwner }) => (desk ?? openTerminal()).gate(shownName, verify ? isOwner : undefined),
    always: () => (verify ? verifyAlways : approveAlways),
    never: () => declineAlways,
    scripted: () => new ScriptedGate(verify),
  };
  return (key) => {
    if (verify && key.consent === 'never') {
      throw new UserError(
        '--verify does not go with --consent never',
        'nobody is asked who could be verified',
        exitCode.usage,
      );
    }
    return gates[key.consent](key);
  };
}

/** @throws UserError where nobody could be verified: there is no passphrase to be typed. */
async function requirePassphrase(vaultDirectory: string): Promise<void> {
  if ((await readSlots(vaultDirectory)).some(({ kind }) => kind === 'passphrase')) return;
  throw new UserError(
    '--verify asks for the passphrase of the vault, which has none',
    'add one with `passfob vault slots add passphrase`',
    exitCode.usage,
  );
}
