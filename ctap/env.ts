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
}

/** A discoverable credential: one record of the vault. */
export interface Credential extends CredentialSource {
  readonly rpId: string;
  readonly rpName?: string;
  readonly user: UserEntity;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** What the device as a whole remembers over a power cycle. */
export interface DeviceState {
  /** Seals non-discoverable credentials into their ids; 32 bytes. A reset replaces it, which makes those ids void. */
  readonly credentialIdKey: Uint8Array;
}

/** The changes that one command makes. Nothing is visible to reads before the transaction is durable. */
export interface VaultTransaction {
  /** Adds a credential, or replaces the one with the same id. */
  putCredential(credential: Credential): void;
  /** Removes a credential; without effect if there is none. */
  deleteCredential(id: Uint8Array): void;
  setDevice(change: Partial<DeviceState>): void;
  /** Factory state: every credential gone, a new `credentialIdKey`. The signature counter goes on. */
  reset(): void;
}

/** The encrypted store, as CTAP sees it. */
export interface Vault {
  /** Synchronous reads of the current, committed state. */
  credential(id: Uint8Array): Credential | undefined;
  /** Discoverable credentials of one relying party, newest first. Cost grows with the answer, not with the vault. */
  credentialsOf(rpIdHash: Uint8Array): readonly Credential[];
  readonly device: DeviceState;
  /** Next signature count, 1 to 2^32 - 1; monotonic across crashes. */
  nextSignCount(): number;
  /** All or nothing; durable when it resolves, unchanged if it rejects. */
  update(change: (tx: VaultTransaction) => void): Promise<void>;
}

/** What a person is asked. A closed set of cases, never ready-made sentences: words belong to src/consent/. */
export type Prompt =
  | { readonly kind: 'register'; readonly rpId: string; readonly userName?: string }
  | { readonly kind: 'sign-in'; readonly rpId: string; readonly accounts: readonly string[] }
  | { readonly kind: 'already-registered'; readonly rpId: string }
  | { readonly kind: 'u2f-register'; readonly applicationHash: string }
  | { readonly kind: 'u2f-sign-in'; readonly applicationHash: string }
  | { readonly kind: 'reset' }
  | { readonly kind: 'select' };

export type Answer =
  | { readonly kind: 'approved'; readonly verified: boolean }
  | { readonly kind: 'declined' | 'timed-out' | 'cancelled' };

export interface UserGate {
  /**
   * Asks once. Resolves for every human outcome, within `Policy.userPresenceTimeoutMs`, and with `cancelled` soon
   * after `signal` aborts; rejects only if asking itself is broken.
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
  /** ES256: a 32-byte scalar and an uncompressed point, 65 bytes (04, x, y). */
  generateKeyPair(algorithm: CoseAlgorithm): KeyPair;
  /** Hashes (as the algorithm says) and signs `message`. ES256: ASN.1 DER. */
  sign(algorithm: CoseAlgorithm, key: KeyPair, message: Uint8Array): Uint8Array;
  verify(algorithm: CoseAlgorithm, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** AES-256-GCM; key 32, nonce 12 bytes; returns ciphertext and 16-byte tag in one piece. */
  sealAesGcm(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** The inverse of `sealAesGcm`; undefined if the tag does not fit. */
  openAesGcm(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | undefined;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
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
  /** Told of what is our own fault, never of a host's bad input. Must not throw. */
  reportBug(error: unknown): void;
}
