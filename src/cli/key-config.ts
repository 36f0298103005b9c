// passfob config show | always-uv | min-pin-length | pin-complexity | long-touch-reset | enterprise-attestation: how a
// whole key behaves, ours or any other (authenticatorConfig).

import { type Command, InvalidArgumentError } from 'commander';
import type { CborMap, CborValue } from '../../ctap/cbor.ts';
import { SetMinPINLengthParams as Params, Permission, ConfigSubCommand as SubCommand } from '../../ctap/wire.ts';
import { exitCode, UserError } from '../errors.ts';
import type { AuthenticatorInfo } from '../platform/authenticator-info.ts';
import type { CtapClient, PinUvAuthToken } from '../platform/ctap-client.ts';
import { maxPinBytes, minPinLength, PinClient } from '../platform/pin-client.ts';
import { type KeyFlags, keyOptions, withCtap } from './ctap-session.ts';
import { printFields, printJson } from './output.ts';
import { type PinFiles, pinFileOption, readPin } from './pin-input.ts';
import { pinMustChange, withPinRefusals } from './pin-refusal.ts';

type ConfigFlags = KeyFlags & PinFiles;

export function defineConfig(noun: Command): void {
  const verb = (name: string, description: string) => keyOptions(noun.command(name).description(description));
  verb('show', 'show what can be configured, and how it is').option('--json', 'print JSON').action(show);
  pinFileOption(verb('always-uv', 'ask for the PIN at every registration and sign-in, or not'))
    .argument('<state>', 'on or off', onOrOff)
    .action(alwaysUv);
  pinFileOption(verb('min-pin-length', 'raise the least length of PINs; only a reset lowers it'))
    .argument('<length>', 'characters', wholeNumber)
    .option('--rp <id...>', 'the relying parties that may learn it (extension minPinLength)')
    .option('--force-change', 'the PIN must be changed before it can be used again')
    .action(minimumPinLength);
  pinFileOption(verb('pin-complexity', 'refuse simple PINs; only a reset undoes it')).action(pinComplexity);
  pinFileOption(verb('long-touch-reset', 'reset only after a long touch; only a reset undoes it')).action(
    longTouchReset,
  );
  pinFileOption(verb('enterprise-attestation', 'enable enterprise attestation; only a reset disables it')).action(
    enterpriseAttestation,
  );
}

async function show(flags: KeyFlags & { json?: boolean }): Promise<void> {
  const found = toJson(await withCtap(flags, (ctap) => ctap.getInfo()));
  if (flags.json) return printJson(found);
  const say = (state: boolean | null) => (state === null ? 'not supported' : state ? 'on' : 'off');
  printFields([
    ['always verify the user', say(found.alwaysUv)],
    ['least PIN length', String(found.minPinLength)],
    ['PIN must change', found.forcePinChange ? 'yes' : 'no'],
    ['simple PINs refused', say(found.pinComplexityPolicy)],
    ['long touch for reset', say(found.longTouchForReset)],
    ['enterprise attestation', say(found.enterpriseAttestation)],
  ]);
}

/** Null stands for what the key does not have. */
function toJson(info: AuthenticatorInfo) {
  return {
    alwaysUv: info.options.get('alwaysUv') ?? null,
    minPinLength: info.minPINLength ?? minPinLength,
    forcePinChange: info.forcePINChange ?? false,
    pinComplexityPolicy: info.pinComplexityPolicy ?? null,
    longTouchForReset: info.longTouchForReset ?? null,
    enterpriseAttestation: info.options.get('ep') ?? null,
  };
}

async function alwaysUv(on: boolean, flags: ConfigFlags): Promise<void> {
  await withConfig(flags, async (configure, info) => {
    const state = supported(info.options.get('alwaysUv'));
    // The key knows only how to toggle it.
    if (state !== on) await configure(SubCommand.toggleAlwaysUv);
    console.log(on ? 'the key always verifies its user' : 'the key verifies its user where a site asks for it');
  });
}

async function pinComplexity(flags: ConfigFlags): Promise<void> {
  await withConfig(flags, async (configure, info) => {
    supported(info.pinComplexityPolicy);
    await configure(SubCommand.setMinPINLength, new Map([[Params.pinComplexityPolicy, true]]));
    console.log('simple PINs are refused');
  });
}

async function longTouchReset(flags: ConfigFlags): Promise<void> {
  await withConfig(flags, async (configure, info) => {
    supported(info.longTouchForReset);
    await configure(SubCommand.enableLongTouchForReset);
    console.log('the key is reset only after a long touch');
  });
}

async function enterpriseAttestation(flags: ConfigFlags): Promise<void> {
  await withConfig(flags, async (configure, info) => {
    supported(info.options.get('ep'), flags.device === undefined ? howToHaveEnterprise : undefined);
    await configure(SubCommand.enableEnterpriseAttestation);
    console.log('enterprise attestation is enabled');
  });
}

async function minimumPinLength(
  length: number,
  flags: ConfigFlags & { rp?: readonly string[]; forceChange?: boolean },
): Promise<void> {
  const { rp: rpIds, forceChange } = flags;
  await withConfig(flags, async (configure, info, ctap) => {
    supported(info.options.get('setMinPINLength') || undefined);
    refuseLength(length, info);
    refuseMany(rpIds ?? [], info);
    await configure(
      SubCommand.setMinPINLength,
      new Map<number, CborValue | undefined>([
        [Params.newMinPINLength, length],
        [Params.minPinLengthRPIDs, rpIds],
        [Params.forceChangePin, forceChange],
      ]),
    );
    console.log(`PINs have at least ${length} characters`);
    const { forcePINChange } = await ctap.getInfo();
    if (forcePINChange) console.log('the PIN must be changed before it can be used again: `passfob pin change`');
  });
}

function refuseLength(length: number, { minPINLength = minPinLength, maxPINLength = maxPinBytes }: AuthenticatorInfo) {
  if (length >= minPINLength && length <= maxPINLength) return;
  throw new UserError(
    `expected a length from ${minPINLength} to ${maxPINLength}, got ${length}`,
    'it can only grow; a reset brings back the first one',
    exitCode.usage,
  );
}

function refuseMany(rpIds: readonly string[], { maxRPIDsForSetMinPINLength = 0 }: AuthenticatorInfo): void {
  if (rpIds.length <= maxRPIDsForSetMinPINLength) return;
  throw new UserError(
    `expected at most ${maxRPIDsForSetMinPINLength} relying parties, got ${rpIds.length}`,
    undefined,
    exitCode.usage,
  );
}

/** What getInfo says of a setting. @throws UserError if it says nothing: the key does not have it */
function supported(setting: boolean | undefined, hint = '`passfob config show` says which it has'): boolean {
  if (setting !== undefined) return setting;
  throw new UserError('this key does not have this setting', hint);
}

const howToHaveEnterprise =
  'put `"enterprise": { "rpIds": ["login.example.com"] }` into the configuration file first, and start a running daemon anew';

type Configure = (subCommand: number, params?: CborMap) => Promise<void>;

/** Lets `use` configure the key; the owner is asked when it first does. */
function withConfig(
  flags: ConfigFlags,
  use: (configure: Configure, info: AuthenticatorInfo, ctap: CtapClient) => Promise<void>,
): Promise<void> {
  return withCtap(flags, async (ctap) => {
    const info = await ctap.getInfo();
    if (!info.options.get('authnrCfg')) throw new UserError('this key cannot be configured');
    await use(
      async (subCommand, params) => ctap.config(subCommand, params, await ownerToken(ctap, info, flags)),
      info,
      ctap,
    );
  });
}

/** By PIN where there is one, otherwise by what the key itself can verify; nothing if nothing protects the key. */
async function ownerToken(
  ctap: CtapClient,
  info: AuthenticatorInfo,
  flags: ConfigFlags,
): Promise<PinUvAuthToken | undefined> {
  const scope = { permissions: Permission.acfg };
  if (info.options.get('clientPin')) {
    const pins = new PinClient(ctap, info);
    const pin = await readPin(flags);
    return withPinRefusals(pins, flags, pinMustChange(), () => pins.getToken(pin, scope));
  }
  if (!info.options.get('uvAcfg')) return undefined;
  console.error('the key wants to see that it is you');
  return new PinClient(ctap, info).getTokenUsingUv(scope);
}

function onOrOff(value: string): boolean {
  if (value === 'on' || value === 'off') return value === 'on';
  throw new InvalidArgumentError('it is on or off');
}

function wholeNumber(value: string): number {
  if (/^\d+$/.test(value)) return Number(value);
  throw new InvalidArgumentError('a length is a number of characters');
}
