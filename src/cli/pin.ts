// passfob pin status | set | change | verify: the PIN of a key, ours or any other.

import type { Command } from 'commander';
import { Permission } from '../../ctap/wire.ts';
import { UserError } from '../errors.ts';
import type { AuthenticatorInfo } from '../platform/authenticator-info.ts';
import { minPinLength, PinClient, type TokenScope } from '../platform/pin-client.ts';
import { type KeyFlags, keyOptions, withCtap } from './ctap-session.ts';
import { printFields, printJson } from './output.ts';
import { newPinFileOption, type PinFiles, pinFileOption, readNewPin, readPin, readPinChange } from './pin-input.ts';
import { pinMustChange, withPinRefusals } from './pin-refusal.ts';

type PinFlags = KeyFlags & PinFiles;

export function definePin(noun: Command): void {
  const verb = (name: string, description: string) => keyOptions(noun.command(name).description(description));
  verb('status', 'say whether a PIN is set, and how many tries are left').option('--json', 'print JSON').action(status);
  newPinFileOption(verb('set', 'give a key its first PIN')).action(set);
  newPinFileOption(pinFileOption(verb('change', 'change the PIN'))).action(change);
  pinFileOption(verb('verify', 'say whether a PIN is right; a wrong one costs a try')).action(verify);
}

async function status(flags: KeyFlags & { json?: boolean }): Promise<void> {
  const found = await withPins(flags, async (pins, info) => {
    const isSet = info.options.get('clientPin') === true;
    // Some keys refuse to count the tries of a PIN that they do not have.
    const { retries, powerCycleNeeded } = isSet ? await pins.retries() : { retries: null, powerCycleNeeded: false };
    const { minPINLength: minLength = minPinLength, forcePINChange: forceChange = false } = info;
    return { set: isSet, retries, powerCycleNeeded, minLength, forceChange };
  });
  if (flags.json) return printJson(found);
  printFields([
    ['set', found.set ? 'yes' : 'no'],
    ...(found.retries === null ? [] : [['tries left', String(found.retries)] as const]),
    ...(found.powerCycleNeeded ? [['blocked', 'until the key is unplugged and plugged in again'] as const] : []),
    ['at least', `${found.minLength} characters`],
    ['must change', found.forceChange ? 'yes' : 'no'],
  ]);
}

async function set(flags: PinFlags): Promise<void> {
  await withPins(flags, async (pins, info) => {
    if (info.options.get('clientPin')) throw new UserError('the key has a PIN already', 'see `passfob pin change`');
    const newPin = await readNewPin(flags, info.minPINLength);
    await withPinRefusals(pins, flags, unfit(info), () => pins.setPin(newPin));
    console.log('the PIN is set');
  });
}

async function change(flags: PinFlags): Promise<void> {
  await withPins(flags, async (pins, info) => {
    requirePin(info);
    const { pin, newPin } = await readPinChange(flags, info.minPINLength);
    await withPinRefusals(pins, flags, unfit(info), () => pins.changePin(pin, newPin));
    console.log('the PIN is changed');
  });
}

async function verify(flags: PinFlags): Promise<void> {
  await withPins(flags, async (pins, info) => {
    requirePin(info);
    const pin = await readPin(flags);
    await withPinRefusals(pins, flags, pinMustChange(), () => pins.getToken(pin, harmlessScope(info)));
    console.log('the PIN is right');
  });
}

/** @throws UserError if the key knows no PIN */
function withPins<T>(flags: KeyFlags, use: (pins: PinClient, info: AuthenticatorInfo) => Promise<T>): Promise<T> {
  return withCtap(flags, async (ctap) => {
    const info = await ctap.getInfo();
    if (!info.options.has('clientPin')) throw new UserError('this key knows no PIN');
    return use(new PinClient(ctap, info), info);
  });
}

function requirePin({ options }: AuthenticatorInfo): void {
  if (!options.get('clientPin')) throw new UserError('the key has no PIN yet', 'set one with `passfob pin set`');
}

/** A token must be for something; it is not used. Some keys give none for sign-ins. CTAP 2.1 §6.5.5.7. */
function harmlessScope({ options }: AuthenticatorInfo): TokenScope {
  return options.get('credMgmt')
    ? { permissions: Permission.cm }
    : { permissions: Permission.ga, rpId: 'passfob.invalid' };
}

function unfit({ minPINLength = minPinLength, pinComplexityPolicy, forcePINChange }: AuthenticatorInfo): UserError {
  const wishes = [
    `at least ${minPINLength} characters`,
    ...(pinComplexityPolicy ? ['a PIN that is hard to guess'] : []),
    ...(forcePINChange ? ['another PIN than now'] : []),
  ];
  return new UserError('the key does not accept the new PIN', `it wants ${wishes.join(', ')}`);
}
