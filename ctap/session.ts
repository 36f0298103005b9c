// What the authenticator remembers between commands, and only until the next power cycle.

import type { AssertionTerms } from './assertion.ts';
import type { CborMap } from './cbor.ts';
import type { Environment, UserEntity } from './env.ts';
import type { AssertedCredential } from './extensions/extension.ts';
import { PinUvAuth } from './pin-uv-auth.ts';
import { Command } from './wire.ts';

/** An account that authenticatorGetNextAssertion may still be asked for. */
export type DiscoverableAccount = AssertedCredential & { readonly user: UserEntity };

/** The rest of an authenticatorGetAssertion that found several accounts. CTAP 2.1 §6.2.2 step 12. */
export interface NextAssertions extends AssertionTerms {
  readonly channel: number;
  /** Newest first; never empty. */
  readonly accounts: readonly DiscoverableAccount[];
  /** Whether a pinUvAuthToken authorized it: then it ends when that expires. CTAP 2.1 §6. */
  readonly endsWithToken: boolean;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The rest of a list of authenticatorCredentialManagement. CTAP 2.1 §6.8.3, §6.8.4. */
export interface Enumeration {
  readonly channel: number;
  /** The subcommand that asks for the next answer. */
  readonly next: number;
  readonly answers: Iterator<CborMap, undefined>;
  /** What authorized it: the list ends with a pinUvAuthToken that expires. CTAP 2.1 §6. */
  readonly token: 'session' | 'persistent';
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A large-blob array that is still to be completed. CTAP 2.1 §6.10.2. */
export interface LargeBlobWrite {
  readonly channel: number;
  /** The pieces up to now, in one. */
  readonly received: Uint8Array;
  /** Bytes, hash included. */
  readonly expectedLength: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export class Session {
  /** Milliseconds since 1970. */
  readonly poweredUpAt: number;
  nextAssertions: NextAssertions | undefined;
  enumeration: Enumeration | undefined;
  largeBlobWrite: LargeBlobWrite | undefined;
  /** Renewed by a reset. */
  pinUvAuth: PinUvAuth;

  constructor(environment: Environment) {
    this.poweredUpAt = environment.clock.now();
    this.pinUvAuth = new PinUvAuth(environment);
  }

  /** Overwrites what is secret and ends whatever could have been continued; a session that goes on with a locked vault. */
  wipe(): void {
    this.beginCommand();
    this.pinUvAuth.wipe();
  }

  /** Ends whatever an immediate next command could have continued, unless `code` is that command. CTAP 2.1 §6, §6.3. */
  beginCommand(code?: number): void {
    const isManagement =
      code === Command.authenticatorCredentialManagement || code === Command.prototypeCredentialManagement;
    if (code !== Command.authenticatorGetNextAssertion) this.nextAssertions = undefined;
    if (!isManagement) this.enumeration = undefined;
    if (code !== Command.authenticatorLargeBlobs) this.largeBlobWrite = undefined;
  }
}
