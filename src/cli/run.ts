// passfob run: one key or several, in one process, until stopped.

import type { Command } from 'commander';
import type { UserGate } from '../../ctap/env.ts';
import type { HidTransport } from '../../hid/transport.ts';
import { type OpenVault, openVault } from '../../store/vault.ts';
import type { Config, ConsentMode } from '../config.ts';
import { approveAlways, declineAlways, ScriptedGate, verifyAlways } from '../consent/automatic.ts';
import { createTerminalGates } from '../consent/terminal.ts';
import { controlSocketPath } from '../control/address.ts';
import { ControlClient } from '../control/client.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { exitCode, UserError } from '../errors.ts';
import { type KeySetup, keySetupOf } from '../key-setup.ts';
import { chosenKeys, type KeyChoice } from '../keys/chosen-keys.ts';
import { forEachKey, nameKey } from '../keys/for-each-key.ts';
import { createLog, type Log } from '../log.ts';
import { type ProcessEnd, untilStopped } from '../process-end.ts';
import { keepMemorySmall } from '../small-memory.ts';
import { createTransports } from '../transports.ts';
import { requireVault, vaultsOptions } from './key-session.ts';
import { readPassphrase } from './passphrase.ts';

export function addRunCommand(program: Command): void {
  vaultsOptions(program.command('run').description('be a security key until stopped (SIGTERM, Ctrl-C)'))
    .option('--transport <how...>', 'auto, uhid, socket:PATH or tcp:HOST:PORT; repeatable (default: auto)')
    .option('--consent <mode>', 'ask, always, never or scripted (default: ask)')
    .option('--verify', 'approvals also count as user verification; with --consent always or scripted, for tests')
    .option('--profile <profile>', 'how much the key shows of what it can do: compatible or full (default: compatible)')
    .option('--attestation <kind>', 'how it attests registrations: self, certificate or none (default: self)')
    .option('--log-level <level>', 'silent, error, warn, info or debug (default: info)')
    .action(run);
}

/** A key whose configuration has been found to work, as far as that can be told before its vault is open. */
interface Plan {
  readonly keyName: string | undefined;
  readonly config: Config;
  readonly gate: UserGate;
  readonly transports: readonly HidTransport[];
  readonly log: Log;
}

interface UnlockedKey extends Plan {
  readonly setup: KeySetup;
  readonly vault: OpenVault;
}

async function run(flags: KeyChoice & { verify?: boolean }): Promise<void> {
  keepMemorySmall();
  const configs = chosenKeys(flags);
  const createGate = gateMaker(flags.verify ?? false);
  const plans = await forEachKey(configs, (config) => plan(config, configs.length > 1, createGate));
  const keys = await forEachKey(plans, unlock, ({ vault }) => vault.close());
  const end = untilStopped();
  let daemons: Daemon[] = [];
  try {
    daemons = await forEachKey(
      keys,
      (key) => plugIn(key, end),
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
async function plan(config: Config, isOneOfSeveral: boolean, createGate: GateMaker): Promise<Plan> {
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
  const gate = createGate(consent, shownName);
  const transports = createTransports(config.transports, vaultDirectory, config);
  if (consent === 'always') {
    log.warn('consent is "always": every program that can open the device can use every credential, unseen');
  }
  return { keyName, config, gate, transports, log };
}

async function unlock(plan: Plan): Promise<UnlockedKey> {
  const { keyName, config } = plan;
  const setup = await keySetupOf(config);
  const question = keyName === undefined ? 'Passphrase: ' : `Passphrase of the key "${keyName}": `;
  const passphrase = await readPassphrase(config.passphraseFile, question);
  return { ...plan, setup, vault: await openVault(config.vaultDirectory, { passphrase }) };
}

async function plugIn({ config, vault, transports, gate, setup, log }: UnlockedKey, end: ProcessEnd): Promise<Daemon> {
  const daemon = await startDaemon({
    vault,
    transports,
    gate,
    consent: config.consent,
    setup,
    log,
    controlSocket: controlSocketPath(config.vaultDirectory),
    onTransportError: ({ name }, error) =>
      end.fail(nameKey(new UserError(`${name} failed: ${error.message}`, undefined, exitCode.transport), config)),
  });
  end.onExit(() => daemon.stopNow());
  return daemon;
}

/** `work on uhid, tcp:127.0.0.1:7000`; without a name `uhid`. */
function describe({ keyName, transports }: Plan): string {
  const places = transports.map(({ name }) => name).join(', ');
  return keyName === undefined ? places : `${keyName} on ${places}`;
}

type GateMaker = (consent: ConsentMode, keyName: string | undefined) => UserGate;

/** Gates for several keys: those that ask on the terminal take turns there. */
function gateMaker(verify: boolean): GateMaker {
  let onTerminal: ReturnType<typeof createTerminalGates> | undefined;
  const gates: Record<ConsentMode, GateMaker> = {
    ask: (_, keyName) => {
      onTerminal ??= createTerminalGates();
      return onTerminal(keyName);
    },
    always: () => (verify ? verifyAlways : approveAlways),
    never: () => declineAlways,
    scripted: () => new ScriptedGate(verify),
  };
  return (consent, keyName) => {
    if (verify && consent !== 'always' && consent !== 'scripted') {
      throw new UserError(
        `--verify does not go with --consent ${consent}`,
        'it is for tests, with --consent always or scripted',
        exitCode.usage,
      );
    }
    return gates[consent](consent, keyName);
  };
}
