// The numbers of CTAP2 on the wire, under the names of the specification: command codes, map keys, flags, COSE numbers.
// No logic here.

/** CTAP 2.1 §6. */
export const Command = {
  authenticatorMakeCredential: 0x01,
  authenticatorGetAssertion: 0x02,
  authenticatorGetInfo: 0x04,
  authenticatorClientPIN: 0x06,
  authenticatorReset: 0x07,
  authenticatorGetNextAssertion: 0x08,
  authenticatorBioEnrollment: 0x09,
  authenticatorCredentialManagement: 0x0a,
  authenticatorSelection: 0x0b,
  authenticatorLargeBlobs: 0x0c,
  authenticatorConfig: 0x0d,
  /** The prototype of authenticatorCredentialManagement in CTAP 2.1-PRE, of the same layout. */
  prototypeCredentialManagement: 0x41,
} as const;

/** CTAP 2.1 §6.1. */
export const MakeCredentialRequest = {
  clientDataHash: 0x01,
  rp: 0x02,
  user: 0x03,
  pubKeyCredParams: 0x04,
  excludeList: 0x05,
  extensions: 0x06,
  options: 0x07,
  pinUvAuthParam: 0x08,
  pinUvAuthProtocol: 0x09,
  enterpriseAttestation: 0x0a,
  attestationFormatsPreference: 0x0b,
} as const;

/** CTAP 2.1 §6.1. */
export const MakeCredentialResponse = {
  fmt: 0x01,
  authData: 0x02,
  attStmt: 0x03,
  epAtt: 0x04,
  largeBlobKey: 0x05,
  unsignedExtensionOutputs: 0x06,
} as const;

/** CTAP 2.1 §6.2. */
export const GetAssertionRequest = {
  rpId: 0x01,
  clientDataHash: 0x02,
  allowList: 0x03,
  extensions: 0x04,
  options: 0x05,
  pinUvAuthParam: 0x06,
  pinUvAuthProtocol: 0x07,
} as const;

/** CTAP 2.1 §6.2; also the answer to authenticatorGetNextAssertion, §6.3. */
export const GetAssertionResponse = {
  credential: 0x01,
  authData: 0x02,
  signature: 0x03,
  user: 0x04,
  numberOfCredentials: 0x05,
  userSelected: 0x06,
  largeBlobKey: 0x07,
  unsignedExtensionOutputs: 0x08,
} as const;

/** CTAP 2.1 §6.4, with the members that CTAP 2.2 and 2.3 added. */
export const GetInfoResponse = {
  versions: 0x01,
  extensions: 0x02,
  aaguid: 0x03,
  options: 0x04,
  maxMsgSize: 0x05,
  pinUvAuthProtocols: 0x06,
  maxCredentialCountInList: 0x07,
  maxCredentialIdLength: 0x08,
  transports: 0x09,
  algorithms: 0x0a,
  maxSerializedLargeBlobArray: 0x0b,
  forcePINChange: 0x0c,
  minPINLength: 0x0d,
  firmwareVersion: 0x0e,
  maxCredBlobLength: 0x0f,
  maxRPIDsForSetMinPINLength: 0x10,
  preferredPlatformUvAttempts: 0x11,
  uvModality: 0x12,
  certifications: 0x13,
  remainingDiscoverableCredentials: 0x14,
  vendorPrototypeConfigCommands: 0x15,
  attestationFormats: 0x16,
  uvCountSinceLastPinEntry: 0x17,
  longTouchForReset: 0x18,
  encIdentifier: 0x19,
  transportsForReset: 0x1a,
  pinComplexityPolicy: 0x1b,
  pinComplexityPolicyURL: 0x1c,
  maxPINLength: 0x1d,
  encCredStoreState: 0x1e,
  authenticatorConfigCommands: 0x1f,
} as const;

/** CTAP 2.1 §6.8. */
export const CredentialManagementRequest = {
  subCommand: 0x01,
  subCommandParams: 0x02,
  pinUvAuthProtocol: 0x03,
  pinUvAuthParam: 0x04,
} as const;

/** CTAP 2.1 §6.8. */
export const CredentialManagementSubCommand = {
  getCredsMetadata: 0x01,
  enumerateRPsBegin: 0x02,
  enumerateRPsGetNextRP: 0x03,
  enumerateCredentialsBegin: 0x04,
  enumerateCredentialsGetNextCredential: 0x05,
  deleteCredential: 0x06,
  updateUserInformation: 0x07,
} as const;

/** Keys of subCommandParams. CTAP 2.1 §6.8. */
export const CredentialManagementParams = { rpIDHash: 0x01, credentialID: 0x02, user: 0x03 } as const;

/** CTAP 2.1 §6.8; thirdPartyPayment came with CTAP 2.2. */
export const CredentialManagementResponse = {
  existingResidentCredentialsCount: 0x01,
  maxPossibleRemainingResidentCredentialsCount: 0x02,
  rp: 0x03,
  rpIDHash: 0x04,
  totalRPs: 0x05,
  user: 0x06,
  credentialID: 0x07,
  publicKey: 0x08,
  totalCredentials: 0x09,
  credProtect: 0x0a,
  largeBlobKey: 0x0b,
  thirdPartyPayment: 0x0c,
} as const;

/** CTAP 2.1 §6.10. */
export const LargeBlobsRequest = {
  get: 0x01,
  set: 0x02,
  offset: 0x03,
  length: 0x04,
  pinUvAuthParam: 0x05,
  pinUvAuthProtocol: 0x06,
} as const;

/** CTAP 2.1 §6.10. */
export const LargeBlobsResponse = { config: 0x01 } as const;

/** Extension identifiers. CTAP 2.1 §12; hmac-secret-mc, pinComplexityPolicy and thirdPartyPayment: CTAP 2.2 §12. */
export const Extension = {
  credBlob: 'credBlob',
  credProtect: 'credProtect',
  hmacSecret: 'hmac-secret',
  hmacSecretMc: 'hmac-secret-mc',
  largeBlobKey: 'largeBlobKey',
  minPinLength: 'minPinLength',
  pinComplexityPolicy: 'pinComplexityPolicy',
  thirdPartyPayment: 'thirdPartyPayment',
} as const;

export type ExtensionName = (typeof Extension)[keyof typeof Extension];

/** Members of the input of hmac-secret and hmac-secret-mc. CTAP 2.1 §12.5. */
export const HmacSecretInput = { keyAgreement: 0x01, saltEnc: 0x02, saltAuth: 0x03, pinUvAuthProtocol: 0x04 } as const;

/** CTAP 2.1 §6.5. */
export const ClientPinRequest = {
  pinUvAuthProtocol: 0x01,
  subCommand: 0x02,
  keyAgreement: 0x03,
  pinUvAuthParam: 0x04,
  newPinEnc: 0x05,
  pinHashEnc: 0x06,
  permissions: 0x09,
  rpId: 0x0a,
} as const;

/** CTAP 2.1 §6.5. */
export const ClientPinResponse = {
  keyAgreement: 0x01,
  pinUvAuthToken: 0x02,
  pinRetries: 0x03,
  powerCycleState: 0x04,
  uvRetries: 0x05,
} as const;

/** CTAP 2.1 §6.5. */
export const ClientPinSubCommand = {
  getPINRetries: 0x01,
  getKeyAgreement: 0x02,
  setPIN: 0x03,
  changePIN: 0x04,
  getPinToken: 0x05,
  getPinUvAuthTokenUsingUvWithPermissions: 0x06,
  getUVRetries: 0x07,
  getPinUvAuthTokenUsingPinWithPermissions: 0x09,
} as const;

/** What a pinUvAuthToken is good for. CTAP 2.1 §6.5.5.7; pcmr: CTAP 2.2. */
export const Permission = { mc: 0x01, ga: 0x02, cm: 0x04, be: 0x08, lbw: 0x10, acfg: 0x20, pcmr: 0x40 } as const;

/** CTAP 2.1 §6.11. */
export const ConfigRequest = {
  subCommand: 0x01,
  subCommandParams: 0x02,
  pinUvAuthProtocol: 0x03,
  pinUvAuthParam: 0x04,
} as const;

/** CTAP 2.1 §6.11; enableLongTouchForReset: CTAP 2.3. */
export const ConfigSubCommand = {
  enableEnterpriseAttestation: 0x01,
  toggleAlwaysUv: 0x02,
  setMinPINLength: 0x03,
  enableLongTouchForReset: 0x04,
} as const;

/** CTAP 2.1 §6.11.4; pinComplexityPolicy: CTAP 2.2. */
export const SetMinPINLengthParams = {
  newMinPINLength: 0x01,
  minPinLengthRPIDs: 0x02,
  forceChangePin: 0x03,
  pinComplexityPolicy: 0x04,
} as const;

/** Of the bits of uvModality those that a gate can have. FIDO Registry of Predefined Values §3.1. */
export const UserVerify = { presenceInternal: 0x00000001, passcodeInternal: 0x00000004 } as const;

/** Bits of the flags byte in authenticator data. WebAuthn §6.1. */
export const Flag = {
  UP: 0x01,
  UV: 0x04,
  BE: 0x08,
  BS: 0x10,
  AT: 0x40,
  ED: 0x80,
} as const;

/** Labels of a COSE_Key; those below zero mean something else for each key type. RFC 9052 §7.1, RFC 9053 §7. */
export const CoseKey = { kty: 1, alg: 3, crv: -1, x: -2, y: -3, pub: -1 } as const;

/** COSE algorithm numbers, under their registered names. IANA COSE registry. */
export const CoseAlg = {
  ES256: -7,
  EdDSA: -8,
  ES384: -35,
  ES512: -36,
  ES256K: -47,
  'ML-DSA-44': -48,
  'ML-DSA-65': -49,
  /** The label on key-agreement keys; nothing is signed with it. CTAP 2.1 §6.5.6. */
  ECDH_ES_HKDF_256: -25,
} as const;

/** COSE key types. */
export const CoseKty = { OKP: 1, EC2: 2, AKP: 7 } as const;

/** COSE elliptic curves. */
export const CoseCrv = { P256: 1, P384: 2, P521: 3, Ed25519: 6, secp256k1: 8 } as const;
