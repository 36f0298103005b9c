// A command's way to a key that it speaks CTAP with: ours, as for any command, or another by the path or serial number
// of its device.

import type { Command } from 'commander';
import { CtapError } from '../../ctap/status.ts';
import { CtapHidClient, CtapHidError } from '../../hid/host/ctaphid-client.ts';
import { resolveDevice } from '../../hid/host/find-device.ts';
import { openDevice } from '../../hid/host/open-device.ts';
import type { Settings } from '../config.ts';
import { UserError } from '../errors.ts';
import { CtapClient } from '../platform/ctap-client.ts';
import { CtapStatusError } from '../platform/ctap-status-error.ts';
import { vaultOptions, withKey } from './key-session.ts';

export interface KeyFlags extends Settings {
  readonly device?: string;
}

/** The options that say which key, for commands that work with any. */
export function keyOptions(command: Command): Command {
  return vaultOptions(command).option(
    '--device <path|serial>',
    'another key, by its path (/dev/hidraw0) or serial number',
  );
}

/** Runs `use` on the key, and closes what was opened for it. @throws UserError for what the key refuses */
export async function withCtap<T>(flags: KeyFlags, use: (ctap: CtapClient) => Promise<T>): Promise<T> {
  try {
    if (flags.device !== undefined) return await onDevice(flags.device, use);
    return await withKey(flags, (key) => use(new CtapClient({ cbor: (request) => key.ctap(request) })));
  } catch (error) {
    if (error instanceof CtapStatusError && error.statusName === 'PUAT_REQUIRED') {
      throw new UserError(error.message, 'give it one with `passfob pin set`');
    }
    if (error instanceof CtapStatusError || error instanceof CtapHidError) throw new UserError(error.message);
    if (error instanceof CtapError) throw new UserError(`the answer of the key cannot be read: ${error.message}`);
    throw error;
  }
}

async function onDevice<T>(pathOrSerial: string, use: (ctap: CtapClient) => Promise<T>): Promise<T> {
  const connection = await openDevice(await resolveDevice(pathOrSerial));
  try {
    return await use(new CtapClient(await CtapHidClient.connect(connection)));
  } finally {
    await connection.close();
  }
}
