// passfob keys: the keys of the configuration file, or with --all every security key on this machine.

import { once } from 'node:events';
import type { Command } from 'commander';
import { findDevices } from '../../hid/host/find-device.ts';
import { watchDevices } from '../../hid/host/watch-devices.ts';
import { exitCode, UserError } from '../errors.ts';
import { type ConfiguredKey, configuredKeys } from '../keys/configured-keys.ts';
import { type KeyPlace, type KeyReport, keyPlace, reportKey, reportNewKey } from '../keys/key-report.ts';
import { oneLine } from '../log.ts';
import { untilStopped } from '../process-end.ts';
import { formatJson, printJson, printTable } from './output.ts';

export function defineKeys(command: Command): void {
  command
    .option('--all', 'every security key that this machine sees, and what it tells of itself')
    .option('--watch', 'with --all: go on with a line for each key that is attached or detached, until stopped')
    .option('--json', 'print JSON; with --watch a line for each event')
    .action(keys);
}

interface KeysFlags {
  readonly all?: boolean;
  readonly watch?: boolean;
  readonly json?: boolean;
}

async function keys(flags: KeysFlags): Promise<void> {
  if (flags.watch && !flags.all) {
    throw new UserError('--watch goes with --all only', 'try `passfob keys --all --watch`', exitCode.usage);
  }
  if (flags.watch) return await watch(flags.json ?? false);
  if (flags.all) return await listAll(flags.json ?? false);
  const found = await configuredKeys();
  if (flags.json) return printJson(found);
  printConfigured(found);
}

function printConfigured(found: readonly ConfiguredKey[]): void {
  printTable(
    ['KEY', 'VAULT', 'PROCESS', 'TRANSPORTS', 'SERIAL', 'CREDENTIALS'],
    found.map(({ name, vault, exists, pid, locked, transports, serialNumber, credentials }) => [
      name ?? '(no name)',
      exists ? vault : `${vault} (not made yet)`,
      locked ? `${pid} (locked)` : text(pid),
      transports.join(', '),
      serialNumber,
      text(credentials),
    ]),
  );
  for (const { vault, problem } of found) if (problem) console.error(`warning: ${oneLine(`${vault}: ${problem}`)}`);
}

async function listAll(json: boolean): Promise<void> {
  const devices = await findDevices();
  const reports = await Promise.all(devices.map((device) => reportKey(device)));
  if (json) return printJson(reports);
  if (reports.length === 0) return console.log('no security keys on this machine');
  printTable(['NAME', 'IDS', 'SERIAL', 'BUS', 'PATH', 'VERSIONS', 'PIN', 'FREE', 'TRANSPORTS'], reports.map(columns));
  for (const report of reports) warn(report);
}

/** A line for each key that is there, and one whenever a key comes or goes. */
async function watch(json: boolean): Promise<void> {
  // One line after the other: asking a key takes a moment, and it must not be detached before it is attached.
  let last: Promise<void> = Promise.resolve();
  const print = (event: string, key: KeyPlace | Promise<KeyReport>) => {
    last = last.then(async () => printEvent(event, await key, json));
  };
  const end = untilStopped();
  const watching = await watchDevices(
    ({ event, device }) => print(event, event === 'attach' ? reportNewKey(device) : keyPlace(device)),
    (error) => console.error(`warning: ${oneLine(error.message)}`),
  );
  for (const device of watching.present) print('present', reportKey(device));
  // A reader that went away, such as `| head -1`, wants no more lines.
  await Promise.race([end.stopped, once(process.stdout, 'error')]).finally(watching.stop);
}

function printEvent(event: string, key: KeyPlace | KeyReport, json: boolean): void {
  if (json) {
    console.log(formatJson({ event, ...key }, 0));
  } else {
    const cells = 'versions' in key ? columns(key) : place(key);
    console.log(oneLine([event.padEnd('present'.length), ...cells].join('  ')));
    if ('problem' in key) warn(key);
  }
}

function columns(report: KeyReport): string[] {
  const { versions, freeSlots, transports } = report;
  return [
    ...place(report),
    versions?.join(' ') ?? '-',
    pinState(report),
    text(freeSlots),
    transports?.join(', ') ?? '-',
  ];
}

function place({ name, vendorId, productId, serialNumber, bus, path, usb }: KeyPlace): string[] {
  const hex = (id: number) => id.toString(16).padStart(4, '0');
  const where = usb ? `${bus} ${Number(usb.bus)}-${usb.ports.join('.')}` : text(bus);
  return [text(name), `${hex(vendorId)}:${hex(productId)}`, text(serialNumber), where, path];
}

function pinState({ pin }: KeyReport): string {
  if (pin === null) return '-';
  if (!pin.set) return 'not set';
  if (pin.retries === 0) return 'blocked';
  return pin.powerCycleNeeded ? 'blocked until replugged' : `set, ${pin.retries} tries left`;
}

function warn({ path, problem }: KeyReport): void {
  if (problem === null) return;
  console.error(`warning: ${oneLine(`${path}: ${problem.message}`)}`);
  if (problem.hint !== null) console.error(`hint: ${problem.hint}`);
}

function text(value: string | number | null): string {
  return value === null ? '-' : String(value);
}
