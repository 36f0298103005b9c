// passfob vault check: what of a vault is damaged, and to forget that.

import type { Command } from 'commander';
import type { Settings } from '../config.ts';
import type { DamagedRecord, KeyOperations } from '../control/operations.ts';
import { exitCode, UserError } from '../errors.ts';
import { oneLine } from '../log.ts';
import { plural } from './backup.ts';
import { confirm, vaultOptions, withKey } from './key-session.ts';
import { printJson } from './output.ts';

interface CheckFlags extends Settings {
  readonly dropDamaged?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function addVaultCheck(noun: Command): void {
  vaultOptions(noun.command('check').description('open every record and say what is damaged'))
    .option('--drop-damaged', 'forget the damaged records that are shown, once you agree')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(check);
}

async function check(flags: CheckFlags): Promise<void> {
  const left = await withKey(flags, async (key, { vaultDirectory }) => {
    const report = await key.check();
    const { sound, mended, damaged } = report;
    if (!flags.json) {
      console.log(`${sound} ${plural(sound)} of ${vaultDirectory}: sound`);
      if (mended > 0) console.log(`${mended} wrong ${mended === 1 ? 'entry' : 'entries'} of the index: mended`);
      for (const record of damaged) console.log(describeDamage(record));
    }
    const dropped = await dropDamaged(key, damaged, flags);
    if (flags.json) printJson({ ...report, dropped });
    else if (dropped > 0) console.log(`forgot ${dropped} damaged ${dropped === 1 ? 'record' : 'records'}`);
    return damaged.length - dropped;
  });
  if (left === 0) return;
  throw new UserError(
    `${left} ${left === 1 ? 'record is' : 'records are'} damaged; their websites see an error instead of a part`,
    'first `passfob restore` what a backup has, then forget what is left with `passfob vault check --drop-damaged`',
    exitCode.vault,
  );
}

async function dropDamaged(key: KeyOperations, damaged: readonly DamagedRecord[], flags: CheckFlags): Promise<number> {
  const records = damaged.flatMap(({ record, droppable }) => (record !== null && droppable ? [record] : []));
  const count = records.length;
  if (!flags.dropDamaged || count === 0) return 0;
  await confirm(`Forget ${count} damaged ${count === 1 ? 'record' : 'records'} for good?`, flags.yes);
  return key.dropDamaged(records);
}

function describeDamage({ rpId, message, droppable }: DamagedRecord): string {
  if (!droppable) return `${message}: only a new vault helps, into which you restore a backup`;
  return `${rpId === null ? 'a website that nothing else tells of' : oneLine(rpId)}: ${message}`;
}
