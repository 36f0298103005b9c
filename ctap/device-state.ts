// The factory state of a device: before anything was set, and after a reset. CTAP 2.1 §6.6.

import type { CredentialKind, DeviceState, PublicState, Vault } from './env.ts';

/** Wrong PINs in a row, over power cycles, until only a reset helps. CTAP 2.1 §6.5.2.2. */
export const maxPinRetries = 8;

/** Failed built-in user verifications in a row until the client PIN is needed. CTAP 2.1 §6.5.2.5: 1 to 25. */
export const maxUvRetries = 5;

/** CTAP 2.1 §6.4, getInfo 0x0D. */
const factoryMinPINLength = 4;

/** An empty CBOR array and LEFT(SHA-256 of it, 16). CTAP 2.1 §6.10.2. */
const emptyLargeBlobArray = Uint8Array.of(
  ...[0x80, 0x76, 0xbe, 0x8b, 0x52, 0x8d, 0x00, 0x75, 0xf7, 0xaa, 0xe9, 0x8d, 0x6f, 0xa5, 0x7a, 0x6d, 0x3c],
);

/** A device as it leaves the factory, with secrets of its own. */
export function factoryDeviceState(
  randomBytes: (length: number) => Uint8Array,
  credentialKind: CredentialKind = 'device-bound',
): DeviceState {
  return {
    credentialIdKey: randomBytes(32),
    restoredIdKeys: [],
    pin: null,
    pinRetries: maxPinRetries,
    uvRetries: maxUvRetries,
    forcePINChange: false,
    minPINLength: factoryMinPINLength,
    minPinLengthRPIDs: [],
    pinComplexityPolicy: false,
    alwaysUv: false,
    enterpriseAttestation: false,
    longTouchForReset: false,
    largeBlobArray: emptyLargeBlobArray,
    persistentPinUvAuthToken: null,
    deviceIdentifier: randomBytes(16),
    credentialStoreState: randomBytes(16),
    credentialKind,
  };
}

/** What of the state is no secret. */
export function publicPart(device: DeviceState): PublicState {
  const { pin, forcePINChange, minPINLength, pinComplexityPolicy } = device;
  const { alwaysUv, enterpriseAttestation, longTouchForReset } = device;
  const hasPin = pin !== null;
  return {
    ...{ hasPin, forcePINChange, minPINLength, pinComplexityPolicy },
    ...{ alwaysUv, enterpriseAttestation, longTouchForReset },
  };
}

/** The same of a vault, locked or not; undefined if it is locked and nobody knows. */
export function publicStateOf(vault: Vault): PublicState | undefined {
  return vault.isLocked ? vault.publicState : publicPart(vault.device);
}
