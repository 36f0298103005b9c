// passfob run, and what is said to a running daemon: status, replug, consent, reset.

import type { Command } from 'commander';
import type { UserGate } from '../../ctap/env.ts';
import { openVault, vaultExists } from '../../store/vault.ts';
import { type Config, type ConsentMode, loadConfig, type Settings } from '../config.ts';
import { approveAlways, declineAlways, ScriptedGate, verifyAlways } from '../consent/automatic.ts';
import { createTerminalGate } from '../consent/terminal.ts';
import { controlSocketPath } from '../control/address.ts';
import { ControlClient } from '../control/client.ts';
import { type ScriptedMode, scriptedModes } from '../control/protocol.ts';
import { startDaemon } from '../daemon.ts';
import { exitCode, UserError } from '../errors.ts';
import { keySetupOf } from '../key-setup.ts';
import { createLog } from '../log.ts';
import { untilStopped } from '../process-end.ts';
import { keepMemorySmall } from '../small-memory.ts';
import { createTransports } from '../transports.ts';
import { confirm, requireVault, runningDaemon, vaultOptions, withKey } from './key-session.ts';
import { printFields, printJson } from './output.ts';
import { readPassphrase } from './passphrase.ts';

export function addDaemonCommands(program: Command): void {
  vaultOptions(program.command('run').description('be a security key until stopped (SIGTERM, Ctrl-C)'))
    .option('--transport <how...>', 'auto, uhid, socket:PATH or tcp:HOST:PORT; repeatable (default: auto)')
    .option('--consent <mode>', 'ask, always, never or scripted (default: ask)')
    .option('--verify', 'approvals also count as user verification; with --consent always or scripted, for tests')
    .option('--profile <profile>', 'how much the key shows of what it can do: compatible or full (default: compatible)')
    .option('--attestation <kind>', 'how it attests registrations: self, certificate or none (default: self)')
    .option('--reset-window <when>', 'when programs may ask for a reset: power-up or always (default: power-up)')
    .option('--log-level <level>', 'silent, error, warn, info or debug (default: info)')
    .action(run);
  vaultOptions(program.command('status').description('say whether a daemon serves the vault, and how'))
    .option('--json', 'print JSON')
    .action(status);
  vaultOptions(program.command('replug').description('unplug the virtual key and plug it in again')).action(replug);
  vaultOptions(program.command('consent').description('steer a daemon that runs with --consent scripted'))
    .argument('<mode>', scriptedModes.join(', '))
    .action(consent);
  vaultOptions(program.command('reset').description('erase every credential, for good'))
    .option('--yes', 'do not ask')
    .action(reset);
}

async function run(flags: Settings & { verify?: boolean }): Promise<void> {
  keepMemorySmall();
  const config = loadConfig(flags);
  const { vaultDirectory } = config;
  const controlSocket = controlSocketPath(vaultDirectory);
  requireVault(vaultDirectory);
  const other = await new ControlClient(controlSocket).status();
  if (other) {
    throw new UserError(
      `a daemon (process ${other.pid}) serves the vault ${vaultDirectory} already`,
      'stop it first, or name another vault with --vault',
      exitCode.daemon,
    );
  }
  const gate = createGate(config, flags.verify ?? false);
  const transports = createTransports(config.transports, vaultDirectory);
  const log = createLog(config.logLevel, (line) => console.error(line));
  if (config.consent === 'always') {
    log.warn('consent is "always": every program that can open the device can use every credential, unseen');
  }
  const setup = await keySetupOf(config);
  const vault = await openVault(vaultDirectory, { passphrase: await readPassphrase(config.passphraseFile) });
  const end = untilStopped();
  const daemon = await startDaemon({
    vault,
    transports,
    gate,
    consent: config.consent,
    setup,
    log,
    controlSocket,
    onTransportError: (transport, error) =>
      end.fail(new UserError(`${transport.name} failed: ${error.message}`, undefined, exitCode.transport)),
  });
  end.onExit(() => daemon.stopNow());
  console.log(`ready: ${transports.map((transport) => transport.name).join(', ')}`);
  try {
    await end.stopped;
  } finally {
    await daemon.stop();
  }
}

function createGate({ consent }: Config, verify: boolean): UserGate {
  if (verify && consent !== 'always' && consent !== 'scripted') {
    throw new UserError(
      `--verify does not go with --consent ${consent}`,
      'it is for tests, with --consent always or scripted',
      exitCode.usage,
    );
  }
  const gates: Record<ConsentMode, () => UserGate> = {
    ask: () => createTerminalGate(),
    always: () => (verify ? verifyAlways : approveAlways),
    never: () => declineAlways,
    scripted: () => new ScriptedGate(verify),
  };
  return gates[consent]();
}

async function status(flags: Settings & { json?: boolean }): Promise<void> {
  const { vaultDirectory } = loadConfig(flags);
  const found = await new ControlClient(controlSocketPath(vaultDirectory)).status();
  if (flags.json)
    return printJson(found ?? { running: false, vault: vaultDirectory, exists: vaultExists(vaultDirectory) });
  if (!found) {
    console.log(
      `no daemon serves the vault ${vaultDirectory}${vaultExists(vaultDirectory) ? '' : ', which is not there'}`,
    );
    return;
  }
  printFields([
    ['process', `${found.pid}, since ${found.startedAt}`],
    ['version', found.version],
    ['vault', found.vault],
    ['credentials', String(found.credentials)],
    ['transports', found.transports.join(', ')],
    ['consent', found.consent],
  ]);
}

async function replug(flags: Settings): Promise<void> {
  await (await runningDaemon(flags)).replug();
}

async function consent(mode: string, flags: Settings): Promise<void> {
  const known = scriptedModes.find((candidate): candidate is ScriptedMode => candidate === mode);
  if (!known) {
    throw new UserError(`unknown mode "${mode}"`, `one of: ${scriptedModes.join(', ')}`, exitCode.usage);
  }
  await (await runningDaemon(flags)).setConsent(known);
}

async function reset(flags: Settings & { yes?: boolean }): Promise<void> {
  await withKey(flags, async (key, { vaultDirectory }) => {
    await confirm(
      `Erase every credential in ${vaultDirectory}, also those that websites keep for this key?`,
      flags.yes,
    );
    await key.reset();
    console.log('the key is as new');
  });
}
