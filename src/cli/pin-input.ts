// PINs, from files or the terminal. What cannot be a PIN is refused here, before it costs a try.

import type { Command } from 'commander';
import { exitCode, UserError } from '../errors.ts';
import { encodePin } from '../platform/pin-client.ts';
import { askSecrets, readSecretFile } from './secret.ts';

export interface PinFiles {
  readonly pinFile?: string;
  readonly newPinFile?: string;
}

const pinKind = { name: 'PIN', hint: 'give --pin-file FILE' };
const newPinKind = { name: 'new PIN', hint: 'give --new-pin-file FILE' };
const newPinQuestions = ['New PIN: ', 'Once more: '];

export function pinFileOption(command: Command): Command {
  return command.option('--pin-file <file>', 'read the PIN from the first line of FILE');
}

export function newPinFileOption(command: Command): Command {
  return command.option('--new-pin-file <file>', 'read the new PIN from the first line of FILE');
}

/** The PIN that the key has. @throws UserError */
export async function readPin({ pinFile }: PinFiles): Promise<string> {
  if (pinFile !== undefined) return checked(await readSecretFile(pinFile, pinKind));
  const [pin = ''] = await askSecrets(['PIN: '], pinKind);
  return checked(pin);
}

/** A PIN that the key shall have, asked for twice. `minLength` in code points. @throws UserError */
export async function readNewPin({ newPinFile }: PinFiles, minLength: number | undefined): Promise<string> {
  if (newPinFile !== undefined) return checked(await readSecretFile(newPinFile, newPinKind), minLength);
  return twice(await askSecrets(newPinQuestions, newPinKind), minLength);
}

/** The PIN that the key has and the one that it shall have; asked for in one go. @throws UserError */
export async function readPinChange(
  files: PinFiles,
  minLength: number | undefined,
): Promise<{ pin: string; newPin: string }> {
  if (files.pinFile !== undefined || files.newPinFile !== undefined) {
    return { pin: await readPin(files), newPin: await readNewPin(files, minLength) };
  }
  const [pin = '', ...newPins] = await askSecrets(['PIN: ', ...newPinQuestions], pinKind);
  return { pin: checked(pin), newPin: twice(newPins, minLength) };
}

function twice([pin = '', again]: readonly string[], minLength: number | undefined): string {
  if (pin !== again) throw new UserError('the two PINs differ', 'nothing was changed; try again');
  return checked(pin, minLength);
}

function checked(pin: string, minLength?: number): string {
  try {
    encodePin(pin, minLength);
    return pin;
  } catch (error) {
    if (error instanceof RangeError) throw new UserError(error.message, undefined, exitCode.usage);
    throw error;
  }
}
