// The FIDO metadata statement of this authenticator: what a relying party that admits authenticators by name wants to
// know of it, made from the policy and from what getInfo says of a key as new. FIDO Metadata Statement v3.1.

import { factoryDeviceState, maxPinRetries } from '../ctap/device-state.ts';
import type { CoseAlgorithm, Vault } from '../ctap/env.ts';
import { CoseAlg } from '../ctap/wire.ts';
import { declineAlways } from './consent/automatic.ts';
import { formatAaguid } from './control/local-operations.ts';
import { createDevice } from './daemon.ts';
import type { KeySetup } from './key-setup.ts';
import { createLog } from './log.ts';
import type { AuthenticatorInfo } from './platform/authenticator-info.ts';
import { CtapClient } from './platform/ctap-client.ts';

/** A key of 32 by 32 pixels in two colours, PNG. */
const icon =
  'iVBORw0KGgoAAAANSUhEUgAAACAAAAAgAQMAAABJtOi3AAAABlBMVEX///8fX4sF8SwAAAAAR0lEQVR42o2NoRHAMAzE5DMIzAb1qi3KEh4m3aTdI5fvXWlIBEQEBJvYBFxA0QlVHaI9EK7BYav+EO1Nqu6k6Epclti03N1+0Uodar/KbsAAAAAASUVORK5CYII=';

/** Names of the FIDO Registry of Predefined Values §3.6.1, which has none for ML-DSA. */
const algorithmNames: ReadonlyMap<CoseAlgorithm, string> = new Map([
  [CoseAlg.ES256, 'secp256r1_ecdsa_sha256_raw'],
  [CoseAlg.EdDSA, 'ed25519_eddsa_sha512_raw'],
  [CoseAlg.ES384, 'secp384r1_ecdsa_sha384_raw'],
  [CoseAlg.ES512, 'secp521r1_ecdsa_sha512_raw'],
  [CoseAlg.ES256K, 'secp256k1_ecdsa_sha256_raw'],
]);

/** The protocol version that a string of getInfo 0x01 stands for. */
const protocolVersions: Readonly<Record<string, { major: number; minor: number }>> = {
  FIDO_2_0: { major: 1, minor: 0 },
  FIDO_2_1: { major: 1, minor: 1 },
  FIDO_2_3: { major: 1, minor: 3 },
};

/** Bits of getInfo 0x12. FIDO Registry §3.1. */
const internalMethods = [
  [0x0002, 'fingerprint_internal'],
  [0x0004, 'passcode_internal'],
  [0x0008, 'voiceprint_internal'],
  [0x0010, 'faceprint_internal'],
  [0x0040, 'eyeprint_internal'],
  [0x0080, 'pattern_internal'],
  [0x0100, 'handprint_internal'],
] as const;

/** Random by design, so not part of what a model is. */
const randomMembers: readonly string[] = ['encIdentifier', 'encCredStoreState'];

/** @param root the attestation root, DER, where `setup` has attestation keys. */
export async function metadataStatement(setup: KeySetup, root: Uint8Array | undefined): Promise<object> {
  const info = await infoOfNewKey(setup);
  return {
    legalHeader: 'passfob is free software under the MIT licence. The FIDO Alliance has not certified it.',
    aaguid: formatAaguid(info.aaguid),
    description: 'passfob, a FIDO2 security key in software',
    friendlyNames: { 'en-US': 'passfob' },
    authenticatorVersion: info.firmwareVersion,
    protocolFamily: 'fido2',
    schema: 3,
    upv: info.versions.flatMap((version) => protocolVersions[version] ?? []),
    authenticationAlgorithms: info.algorithms?.flatMap(({ alg }) => algorithmNames.get(alg) ?? []),
    publicKeyAlgAndEncodings: ['cose'],
    attestationTypes: attestationTypes(setup),
    userVerificationDetails: userVerificationMethods(info).map((method) => [method]),
    // Credentials that are not discoverable are kept by the relying party, in their ids.
    keyProtection: ['software', 'remote_handle'],
    // The owner of the vault can take keys out of it, and a touch is enough to use them.
    isKeyRestricted: false,
    isFreshUserVerificationRequired: false,
    matcherProtection: ['software'],
    cryptoStrength: 128,
    attachmentHint: ['external', 'wired'],
    tcDisplay: [],
    attestationRootCertificates: root ? [Buffer.from(root).toString('base64')] : [],
    icon: `data:image/png;base64,${icon}`,
    authenticatorGetInfo: plainInfo(info),
  };
}

function attestationTypes({ attestation, enterpriseAttestation }: KeySetup): string[] {
  if (attestation) return ['basic_full'];
  return enterpriseAttestation ? ['basic_surrogate', 'basic_full'] : ['basic_surrogate'];
}

function userVerificationMethods(info: AuthenticatorInfo): object[] {
  const { options, uvModality = 0, minPINLength = 4 } = info;
  const internal = internalMethods.filter(([bit]) => (uvModality & bit) !== 0).map(([, name]) => name);
  const names = [...(options.get('up') === false ? [] : ['presence_internal']), ...(options.get('uv') ? internal : [])];
  const methods: object[] = names.map((userVerificationMethod) => ({ userVerificationMethod }));
  if (info.pinUvAuthProtocols) {
    // A PIN may be any text; 95 is the number of printable characters in ASCII.
    const caDesc = { base: 95, minLength: minPINLength, maxRetries: maxPinRetries, blockSlowdown: 0 };
    methods.push({ userVerificationMethod: 'passcode_external', caDesc });
  }
  return methods.length > 0 ? methods : [{ userVerificationMethod: 'none' }];
}

/** getInfo as the statement has it: members by name, the AAGUID in hexadecimal. */
function plainInfo(info: AuthenticatorInfo): object {
  const members = Object.entries(info)
    .filter(([name, value]) => value !== undefined && !randomMembers.includes(name))
    .map(([name, value]) => [name, value instanceof Map ? Object.fromEntries(value) : value]);
  return { ...Object.fromEntries(members), aaguid: Buffer.from(info.aaguid).toString('hex') };
}

function infoOfNewKey(setup: KeySetup): Promise<AuthenticatorInfo> {
  const log = createLog('silent', () => {});
  const { device } = createDevice(vaultAsNew, declineAlways, log, undefined, setup);
  return new CtapClient(device).getInfo();
}

/** Nothing but factory state. */
const vaultAsNew: Vault = {
  device: factoryDeviceState((length) => new Uint8Array(length)),
  credential: () => undefined,
  credentialsOf: () => [],
  credentialCount: () => 0,
  relyingParties: () => [],
  nextSignCount: () => 1,
  update: () => Promise.reject(new Error('a metadata statement changes nothing')),
};
