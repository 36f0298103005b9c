// Everything CTAP needs from outside: storage, a person, cryptography, a clock. These are the ports of ctap/;
// store/, src/consent/, crypto/noble.ts and src/openssl.ts fit them by shape. No code here, only contracts.

/** A signature algorithm by its COSE number (-7 is ES256). */
export type CoseAlgorithm = number;

/** WebAuthn's PublicKeyCredentialUserEntity as CTAP carries it. `id` is the user handle, 1 to 64 bytes. */
export interface UserEntity {
  readonly id: Uint8Array;
  readonly name?: string;
  readonly displayName?: string;
}

/** When a credential may be used: 1 always, 2 by its id or after user verification, 3 only after it. CTAP 2.1 §12.1. */
export type CredProtect = 1 | 2 | 3;

/** `device-bound`: BE 0, BS 0, a counter. `synced`: BE 1, BS 1, the counter always 0. Constant for a credential's life. */
export type CredentialKind = 'device-bound' | 'synced';

/** The secrets behind the extension hmac-secret, 32 bytes each. CTAP 2.1 §12.5. */
export interface CredRandom {
  readonly withUV: Uint8Array;
  readonly withoutUV: Uint8Array;
}

/** What it takes to sign for one relying party. Discoverable credentials and those sealed in their id both have it. */
export interface CredentialSource {
  /** 16 to 255 bytes. */
  readonly id: Uint8Array;
  /** SHA-256 of the RP ID, or the application parameter of a U2F registration; 32 bytes. */
  readonly rpIdHash: Uint8Array;
  readonly algorithm: CoseAlgorithm;
  /** In the raw form that `Crypto.generateKeyPair` made for the algorithm. */
  readonly privateKey: Uint8Array;
  /** In the raw form that `Crypto.generateKeyPair` made for the algorithm. */
  readonly publicKey: Uint8Array;
  readonly kind: CredentialKind;
  readonly credProtect: CredProtect;
  readonly credRandom: CredRandom;
  /** The extension thirdPartyPayment, CTAP 2.2 §12.10. */
  readonly thirdPartyPayment: boolean;
}

/** A discoverable credential: one record of the vault. */
export interface Credential extends CredentialSource {
  readonly rpId: string;
  readonly rpName?: string;
  readonly user: UserEntity;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** The extension credBlob, CTAP 2.1 §12.2. */
  readonly credBlob?: Uint8Array;
  /** The extension largeBlobKey, CTAP 2.1 §12.3; 32 bytes. */
  readonly largeBlobKey?: Uint8Array;
}

/** A relying party that has discoverable credentials here. */
export interface RelyingParty {
  readonly rpId: string;
  readonly rpIdHash: Uint8Array;
  readonly rpName?: string;
}

/** What is kept of a client PIN. */
export interface PinState {
  /** 16 bytes, random. */
  readonly salt: Uint8Array;
  /** HMAC-SHA-256 under `salt` of LEFT(SHA-256(PIN), 16); 32 bytes. */
  readonly verifier: Uint8Array;
  readonly codePointLength: number;
}

/** What the device as a whole remembers over a power cycle. `ctap/device-state.ts` has the factory state. */
export interface DeviceState {
  /** Seals non-discoverable credentials into their ids; 32 bytes. A reset replaces it, which makes those ids void. */
  readonly credentialIdKey: Uint8Array;
  /** What sealed the ids of synced credentials on other devices, 32 bytes each: they came with backups. */
  readonly restoredIdKeys: readonly Uint8Array[];
  /** Null while no client PIN is set. */
  readonly pin: PinState | null;
  /** Wrong PINs that are left before only a reset helps. */
  readonly pinRetries: number;
  /** Failed built-in user verifications that are left. */
  readonly uvRetries: number;
  readonly forcePINChange: boolean;
  /** Unicode code points. */
  readonly minPINLength: number;
  /** RP IDs that the extensions minPinLength and pinComplexityPolicy answer. */
  readonly minPinLengthRPIDs: readonly string[];
  readonly pinComplexityPolicy: boolean;
  readonly alwaysUv: boolean;
  readonly enterpriseAttestation: boolean;
  readonly longTouchForReset: boolean;
  /** The serialized large-blob array, CTAP 2.1 §6.10.2. */
  readonly largeBlobArray: Uint8Array;
  /** 32 bytes; null until a platform asks for it. CTAP 2.2 §6.5.2.4. */
  readonly persistentPinUvAuthToken: Uint8Array | null;
  /** 16 bytes, behind encIdentifier. CTAP 2.2 §6.4. */
  readonly deviceIdentifier: Uint8Array;
  /** 16 bytes, behind encCredStoreState. CTAP 2.3 §6.4. */
  readonly credentialStoreState: Uint8Array;
  /** What new credentials become; chosen when the vault is made, and not touched by a reset. */
  readonly credentialKind: CredentialKind;
}

/** What getInfo tells every program of a device's state: no secret, so it may be kept where the vault is not open. */
export type PublicState = Pick<
  DeviceState,
  'forcePINChange' | 'minPINLength' | 'pinComplexityPolicy' | 'alwaysUv' | 'enterpriseAttestation' | 'longTouchForReset'
> & { readonly hasPin: boolean };

/**
 * The changes that one command makes. Nothing is visible to reads before the transaction is durable. A change to the
 * credentials renews `DeviceState.credentialStoreState`.
 */
export interface VaultTransaction {
  /** Adds a credential, or replaces the one with the same id. */
  putCredential(credential: Credential): void;
  /** Removes a credential; without effect if there is none. */
  deleteCredential(id: Uint8Array): void;
  setDevice(change: Partial<DeviceState>): void;
  /** Factory state: every credential gone, a fresh DeviceState of the same `credentialKind`. The signature counter goes on. */
  reset(): void;
}

/** The encrypted store, as CTAP sees it. */
export interface Vault {
  /** While it is true, everything but `publicState` throws; an approved prompt `unlock` ends it. */
  readonly isLocked?: boolean;
  /** Only of a locked vault, and only if it is known. */
  readonly publicState?: PublicState | undefined;
  /** Synchronous reads of the current, committed state. */
  credential(id: Uint8Array): Credential | undefined;
  /** Discoverable credentials of one relying party, newest first. Cost grows with the answer, not with the vault. */
  credentialsOf(rpIdHash: Uint8Array): readonly Credential[];
  /** Discoverable credentials in all. Cheap. */
  credentialCount(): number;
  /** Each relying party with discoverable credentials once. Reads the whole vault. */
  relyingParties(): readonly RelyingParty[];
  readonly device: DeviceState;
  /** Next signature count, 1 to 2^32 - 1; monotonic across crashes. */
  nextSignCount(): number;
  /** All or nothing; durable when it resolves, unchanged if it rejects. */
  update(change: (tx: VaultTransaction) => void): Promise<void>;
}

/** What a person is asked. A closed set of cases, never ready-made sentences: words belong to src/consent/. */
export type Prompt = Question & {
  /** The person must also prove to be the owner. Only where the gate `canVerify`. */
  readonly verify?: true;
};

type Question =
  | { readonly kind: 'register'; readonly rpId: string; readonly userName?: string }
  | { readonly kind: 'sign-in'; readonly rpId: string; readonly accounts: readonly string[] }
  | { readonly kind: 'already-registered'; readonly rpId: string }
  | { readonly kind: 'u2f-register'; readonly applicationHash: string }
  | { readonly kind: 'u2f-sign-in'; readonly applicationHash: string }
  | { readonly kind: 'verify'; readonly rpId?: string }
  | { readonly kind: 'unlock' }
  /** `long`: more than a touch is asked for, something that nobody does by mistake. CTAP 2.3 §6.6. */
  | { readonly kind: 'reset'; readonly long?: true }
  | { readonly kind: 'select' };

export type Answer =
  | { readonly kind: 'approved'; readonly verified: boolean }
  | { readonly kind: 'declined' | 'timed-out' | 'cancelled' };

export interface UserGate {
  /** Whether this gate can find out who answers: built-in user verification, set up and ready. Constant. */
  readonly canVerify: boolean;
  /** How it finds out: bits of `UserVerify`. Left out: it takes the word of whoever is there. getInfo 0x12. */
  readonly uvModality?: number;
  /**
   * Asks once. Resolves for every human outcome, within `Policy.userPresenceTimeoutMs`, and with `cancelled` soon
   * after `signal` aborts; rejects only if asking itself is broken. An answer to a prompt with `verify` that is approved
   * but not `verified` is a failed try: someone is there, but not the owner.
   */
  ask(prompt: Prompt, signal: CancelSignal): Promise<Answer>;
}

/** The part of AbortSignal that ctap/ uses; a real AbortSignal fits. */
export interface CancelSignal {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/**
 * Cryptographic primitives. Two back ends pass one contract suite and verify each other's output:
 * `ctap/crypto/noble.ts` (portable, the reference) and `src/openssl.ts` (constant-time, fast, what the daemon uses).
 */
export interface Crypto {
  randomBytes(length: number): Uint8Array;
  sha256(data: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Constant-time in the contents; false if the lengths differ. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  /** The algorithms that this back end can make keys for and sign with, as COSE numbers. */
  readonly algorithms: readonly CoseAlgorithm[];
  /**
   * ES256, ES256K: a scalar of 32 bytes and an uncompressed point of 65 (04, x, y); ES384: 48 and 97; ES512: 66 and 133.
   * EdDSA (Ed25519): a seed and a point, 32 bytes each. ML-DSA: a seed of 32 bytes and a public key of 1312 or 1952.
   */
  generateKeyPair(algorithm: CoseAlgorithm): KeyPair;
  /** The public half of a key pair. Takes from 0.05 ms (ES256) to a few milliseconds. */
  publicKeyOf(algorithm: CoseAlgorithm, privateKey: Uint8Array): Uint8Array;
  /** Hashes (as the algorithm says) and signs `message`. ECDSA: ASN.1 DER; EdDSA: 64 bytes; ML-DSA: 2420 or 3309. */
  sign(algorithm: CoseAlgorithm, key: KeyPair, message: Uint8Array): Uint8Array;
  verify(algorithm: CoseAlgorithm, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** AES-256-GCM; key 32, nonce 12 bytes; returns ciphertext and 16-byte tag in one piece. */
  sealAesGcm(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** The inverse of `sealAesGcm`; undefined if the tag does not fit. */
  openAesGcm(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined;
  /** AES-CBC without padding; key 16 or 32, iv 16, plaintext a multiple of 16 bytes. */
  encryptAesCbc(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The inverse of `encryptAesCbc`. */
  decryptAesCbc(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  /** RFC 5869; `length` in bytes. */
  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /**
   * The x coordinate, 32 bytes, of the point that two P-256 keys share, both in the form of ES256; undefined if
   * `publicKey` is no point of the curve.
   */
  ecdhP256(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /** Drops the private keys that were kept in a form of their own, if any. */
  forget?(): void;
}

/** An ES256 key that vouches for the authenticator's model, and its certificates. WebAuthn §8.2.1. */
export interface AttestationKey {
  /** DER, leaf first, without the root. */
  readonly certificates: readonly Uint8Array[];
  /** ES256: ASN.1 DER. */
  sign(message: Uint8Array): Uint8Array;
}

export interface Clock {
  /** Milliseconds since 1970, as far as anybody has set the clock right: for the times that are stored. */
  now(): number;
  /** Milliseconds since some moment, on a clock that nobody sets: for whatever must be over after a while. */
  monotonic(): number;
  /** Resolves after about `ms` milliseconds. */
  delay(ms: number): Promise<void>;
}

/** What one request brings along from the transport. */
export interface RequestContext {
  /** Commands that continue one another must come on one channel. Unique over all transports of one daemon. */
  readonly channel: number;
  /** Aborts on CTAPHID_CANCEL, on INIT of the same channel, and when the device goes away. */
  readonly signal: CancelSignal;
  /** Chooses the keepalive status. */
  waitingFor(what: 'processing' | 'user'): void;
}

/** All the ports together: what an `Authenticator` is made from. */
export interface Environment {
  readonly vault: Vault;
  readonly gate: UserGate;
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** For attestation with a certificate; without it there is self attestation. */
  readonly attestation?: AttestationKey;
  /** Its certificate names this one device. Makes the authenticator capable of enterprise attestation. */
  readonly enterpriseAttestation?: AttestationKey;
  /** Told of what is our own fault, never of a host's bad input. Must not throw. */
  reportBug(error: unknown): void;
}
