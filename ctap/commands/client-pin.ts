// authenticatorClientPIN (0x06): retries, key agreement, setting and changing the PIN, getting tokens. CTAP 2.1 §6.5.5.
// Here are the table of subcommands and those that only tell something; ctap/client-pin/ has the others.

import type { Call } from '../call.ts';
import { type CborMap, integer, unsigned } from '../cbor.ts';
import { needsPowerCycle } from '../client-pin/check-pin.ts';
import { getPinToken, getTokenUsingPin, getTokenUsingUv } from '../client-pin/get-token.ts';
import { changePin, setPin } from '../client-pin/set-pin.ts';
import { CtapError } from '../status.ts';
import {
  ClientPinRequest as Request,
  ClientPinResponse as Response,
  ClientPinSubCommand as SubCommand,
} from '../wire.ts';

type Handler = (call: Call) => CborMap | undefined | Promise<CborMap | undefined>;

const subCommands: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [SubCommand.getPINRetries, getPinRetries],
  [SubCommand.getKeyAgreement, getKeyAgreement],
  [SubCommand.setPIN, setPin],
  [SubCommand.changePIN, changePin],
  [SubCommand.getPinToken, getPinToken],
  [SubCommand.getPinUvAuthTokenUsingPinWithPermissions, getTokenUsingPin],
]);

/** Those of a gate that verifies. */
const uvSubCommands: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [SubCommand.getPinUvAuthTokenUsingUvWithPermissions, getTokenUsingUv],
  [SubCommand.getUVRetries, getUvRetries],
]);

/** @throws CtapError INVALID_SUBCOMMAND; as the subcommands say. */
export async function clientPin(call: Call): Promise<CborMap | undefined> {
  const subCommand = call.parameters.required(Request.subCommand, unsigned);
  call.parameters.optional(Request.pinUvAuthProtocol, integer);
  const uvHandler = call.environment.gate.canVerify ? uvSubCommands.get(subCommand) : undefined;
  const handler = subCommands.get(subCommand) ?? uvHandler;
  if (!handler) throw new CtapError('INVALID_SUBCOMMAND');
  if (subCommand !== SubCommand.getKeyAgreement) await call.openVault();
  return handler(call);
}

/** CTAP 2.1 §6.5.5.2. */
function getPinRetries(call: Call): CborMap {
  return new Map<number, number | boolean | undefined>([
    [Response.pinRetries, call.environment.vault.device.pinRetries],
    [Response.powerCycleState, needsPowerCycle(call) ? true : undefined],
  ]);
}

/** CTAP 2.1 §6.5.5.4. */
function getKeyAgreement({ parameters, session }: Call): CborMap {
  const protocol = session.pinUvAuth.protocol(parameters.required(Request.pinUvAuthProtocol, integer));
  return new Map([[Response.keyAgreement, protocol.publicKey]]);
}

/** CTAP 2.1 §6.5.5.3. */
function getUvRetries({ environment }: Call): CborMap {
  return new Map([[Response.uvRetries, environment.vault.device.uvRetries]]);
}
