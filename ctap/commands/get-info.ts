// authenticatorGetInfo (0x04): what this authenticator is and can do. CTAP 2.1 §6.4; members 0x16 and above: CTAP 2.2
// and 2.3 §6.4.

import { attestationFormats } from '../attestation.ts';
import type { Call } from '../call.ts';
import type { CborMap, CborValue } from '../cbor.ts';
import { advertisedAlgorithms } from '../cose.ts';
import { publicPart, publicStateOf } from '../device-state.ts';
import { encryptIdentifiers } from '../encrypted-identifiers.ts';
import type { PublicState } from '../env.ts';
import type { Policy } from '../policy.ts';
import { Extension, type ExtensionName, GetInfoResponse, UserVerify } from '../wire.ts';
import { configSubCommands } from './config.ts';

/**
 * Built anew for every request, since it changes with the state of the state. A locked vault is not opened for it:
 * what needs one is left out. docs/spec-decisions.md.
 * @throws CtapError as `Call.openVault`, if nobody knows what the locked vault holds.
 */
export async function getInfo(call: Call): Promise<CborMap> {
  const { environment, policy, session } = call;
  const { crypto, gate, vault } = environment;
  const state = await knownState(call);
  const { encIdentifier, encCredStoreState } = vault.isLocked
    ? noIdentifiers
    : encryptIdentifiers(crypto, vault.device);
  const ifOn = goesWith(policy);
  return new Map<number, CborValue | undefined>([
    // Never FIDO_2_2, which the specification forbids. alwaysUv switches U2F off.
    [GetInfoResponse.versions, [...(state.alwaysUv ? [] : ['U2F_V2']), 'FIDO_2_0', 'FIDO_2_1', 'FIDO_2_3']],
    [GetInfoResponse.extensions, policy.extensions],
    [GetInfoResponse.aaguid, policy.aaguid],
    [GetInfoResponse.options, options(call, state)],
    [GetInfoResponse.maxMsgSize, policy.maxMsgSize],
    [GetInfoResponse.pinUvAuthProtocols, session.pinUvAuth.protocols.map(({ id }) => id)],
    [GetInfoResponse.maxCredentialCountInList, policy.maxCredentialCountInList],
    [GetInfoResponse.maxCredentialIdLength, policy.maxCredentialIdLength],
    [GetInfoResponse.transports, ['usb']],
    [
      GetInfoResponse.algorithms,
      advertisedAlgorithms(policy, environment.crypto).map(
        (alg) =>
          new Map<string, CborValue>([
            ['alg', alg],
            ['type', 'public-key'],
          ]),
      ),
    ],
    [GetInfoResponse.maxSerializedLargeBlobArray, ifOn(Extension.largeBlobKey, policy.maxSerializedLargeBlobArray)],
    [GetInfoResponse.forcePINChange, state.forcePINChange],
    [GetInfoResponse.minPINLength, state.minPINLength],
    [GetInfoResponse.firmwareVersion, policy.firmwareVersion],
    [GetInfoResponse.maxCredBlobLength, ifOn(Extension.credBlob, policy.maxCredBlobLength)],
    [GetInfoResponse.maxRPIDsForSetMinPINLength, ifOn(Extension.minPinLength, policy.maxRPIDsForSetMinPINLength)],
    [GetInfoResponse.preferredPlatformUvAttempts, gate.canVerify ? policy.preferredPlatformUvAttempts : undefined],
    [GetInfoResponse.uvModality, gate.canVerify ? (gate.uvModality ?? UserVerify.presenceInternal) : undefined],
    [GetInfoResponse.remainingDiscoverableCredentials, vault.isLocked ? undefined : remaining(call)],
    // `none` goes without saying.
    [GetInfoResponse.attestationFormats, attestationFormats(policy, environment).filter((name) => name !== 'none')],
    [GetInfoResponse.longTouchForReset, state.longTouchForReset],
    [GetInfoResponse.encIdentifier, encIdentifier],
    [GetInfoResponse.pinComplexityPolicy, ifOn(Extension.pinComplexityPolicy, state.pinComplexityPolicy)],
    [GetInfoResponse.maxPINLength, policy.maxPINLength],
    [GetInfoResponse.encCredStoreState, encCredStoreState],
    [GetInfoResponse.authenticatorConfigCommands, configSubCommands(call)],
  ]);
}

async function knownState(call: Call): Promise<PublicState> {
  const { vault } = call.environment;
  const known = publicStateOf(vault);
  if (known) return known;
  await call.openVault();
  return publicPart(vault.device);
}

const noIdentifiers = { encIdentifier: undefined, encCredStoreState: undefined };

/** An estimate: only the disk ends it. */
function remaining({ environment, policy }: Call): number {
  return Math.max(policy.maxDiscoverableCredentials - environment.vault.credentialCount(), 0);
}

/** A value that goes away with the extension that it belongs to. */
function goesWith({ extensions }: Policy): <T>(name: ExtensionName, value: T) => T | undefined {
  return (name, value) => (extensions.includes(name) ? value : undefined);
}

/** CTAP 2.1 §6.4, the table of options; absent means not supported. */
function options({ environment, policy }: Call, state: PublicState): CborMap {
  const { enterpriseAttestation: enterpriseKey, gate } = environment;
  const { alwaysUv, enterpriseAttestation, hasPin } = state;
  const ifVerifying = gate.canVerify ? true : undefined;
  const ifOn = goesWith(policy);
  return new Map<string, boolean | undefined>([
    ['plat', false],
    ['rk', true],
    ['up', true],
    ['uv', ifVerifying],
    ['clientPin', hasPin],
    ['pinUvAuthToken', true],
    ['alwaysUv', alwaysUv],
    ['makeCredUvNotRqd', !alwaysUv],
    ['authnrCfg', true],
    ['uvAcfg', ifVerifying],
    ['setMinPINLength', ifOn(Extension.minPinLength, true)],
    ['ep', enterpriseKey ? enterpriseAttestation : undefined],
    ['credMgmt', true],
    ['perCredMgmtRO', true],
    ['largeBlobs', ifOn(Extension.largeBlobKey, true)],
  ]);
}
