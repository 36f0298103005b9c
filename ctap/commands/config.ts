// authenticatorConfig (0x0D): how the whole key behaves: enterprise attestation, user verification always, the minimum
// PIN length, a long touch for a reset. CTAP 2.1 §6.11, whose step numbers the comments bear.

import { concatBytes } from '@noble/hashes/utils.js';
import type { Call } from '../call.ts';
import { bytes, integer, map, unsigned } from '../cbor.ts';
import { authorize, isProtected } from '../pin-uv-auth.ts';
import { setMinPinLength } from '../set-min-pin-length.ts';
import { CtapError } from '../status.ts';
import { Command, Extension, Permission, ConfigRequest as Request, ConfigSubCommand as SubCommand } from '../wire.ts';

type Handler = (call: Call) => Promise<void>;

const subCommands: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [
    SubCommand.enableEnterpriseAttestation,
    (call) => call.commit((tx) => tx.setDevice({ enterpriseAttestation: true })),
  ],
  [SubCommand.toggleAlwaysUv, toggleAlwaysUv],
  [SubCommand.setMinPINLength, setMinPinLength],
  [SubCommand.enableLongTouchForReset, (call) => call.commit((tx) => tx.setDevice({ longTouchForReset: true }))],
]);

/** The numbers of the subcommands that this key knows, as in getInfo 0x1F. */
export function configSubCommands({ environment, policy }: Call): readonly number[] {
  const isThere = new Map<number, boolean>([
    [SubCommand.enableEnterpriseAttestation, environment.enterpriseAttestation !== undefined],
    [SubCommand.setMinPINLength, policy.extensions.includes(Extension.minPinLength)],
  ]);
  return [...subCommands.keys()].filter((subCommand) => isThere.get(subCommand) ?? true);
}

/**
 * @throws CtapError INVALID_PARAMETER for an unknown subcommand, as the text of this command says and against the rule
 *   for all commands (docs/spec-decisions.md); PUAT_REQUIRED, PIN_AUTH_INVALID; as the subcommands say.
 */
export async function config(call: Call): Promise<undefined> {
  const { environment, parameters } = call;
  const subCommand = parameters.required(Request.subCommand, unsigned);
  const pinUvAuthParam = parameters.optional(Request.pinUvAuthParam, bytes);
  const pinUvAuthProtocol = parameters.optional(Request.pinUvAuthProtocol, integer);
  parameters.optional(Request.subCommandParams, map);
  // Step 2.
  const handler = configSubCommands(call).includes(subCommand) ? subCommands.get(subCommand) : undefined;
  if (!handler) throw new CtapError('INVALID_PARAMETER');
  await call.openVault();
  const { alwaysUv } = environment.vault.device;
  // Step 3: where nothing can verify anybody, alwaysUv can at least be switched off again.
  const isWayOut = subCommand === SubCommand.toggleAlwaysUv && alwaysUv && !isProtected(call);
  // Step 4.
  if (!isWayOut && (alwaysUv || isProtected(call))) {
    const message = concatBytes(
      new Uint8Array(32).fill(0xff),
      Uint8Array.of(Command.authenticatorConfig, subCommand),
      parameters.raw(Request.subCommandParams) ?? new Uint8Array(0),
    );
    authorize(call, { pinUvAuthParam, pinUvAuthProtocol, message, permission: Permission.acfg });
  }
  // Step 5.
  await handler(call);
}

/** CTAP 2.1 §6.11.2. */
function toggleAlwaysUv(call: Call): Promise<void> {
  const { alwaysUv } = call.environment.vault.device;
  return call.commit((tx) => tx.setDevice({ alwaysUv: !alwaysUv }));
}
