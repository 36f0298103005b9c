// What the authenticator remembers between commands, and only until the next power cycle.

import type { AssertionTerms } from './assertion.ts';
import type { CborMap } from './cbor.ts';
import type { Clock, Environment, UserEntity } from './env.ts';
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
  /** By the steady clock. */
  readonly expiresAt: number;
}

/** The rest of a list of authenticatorCredentialManagement. CTAP 2.1 §6.8.3, §6.8.4. */
export interface Enumeration {
  readonly channel: number;
  readonly answers: Iterator<CborMap, undefined>;
  /** What authorized it, 32 bytes: the list ends with it. CTAP 2.1 §6. */
  readonly token: Uint8Array;
  /** By the steady clock. */
  readonly expiresAt: number;
}

/** A large-blob array that is still to be completed. CTAP 2.1 §6.10.2. */
export interface LargeBlobWrite {
  readonly channel: number;
  /** The pieces up to now, in one. */
  readonly received: Uint8Array;
  /** Bytes, hash included. */
  readonly expectedLength: number;
  /** By the steady clock. */
  readonly expiresAt: number;
}

export class Session {
  readonly #clock: Clock;
  /** By the steady clock. */
  readonly poweredUpAt: number;
  nextAssertions: NextAssertions | undefined;
  /** By the subcommand that asks for the next answer. They outlast other commands. docs/spec-decisions.md. */
  readonly enumerations = new Map<number, Enumeration>();
  largeBlobWrite: LargeBlobWrite | undefined;
  /** Renewed by a reset. */
  pinUvAuth: PinUvAuth;

  constructor(environment: Environment) {
    this.#clock = environment.clock;
    this.poweredUpAt = environment.clock.monotonic();
    this.pinUvAuth = new PinUvAuth(environment);
  }

  /** Overwrites what is secret and ends whatever could have been continued; a session that goes on with a locked vault. */
  wipe(): void {
    this.beginCommand();
    this.enumerations.clear();
    this.pinUvAuth.wipe();
  }

  /**
   * Ends whatever an immediate next command could have continued, unless `code` is that command, and lists whose time is
   * over. CTAP 2.1 §6, §6.3.
   */
  beginCommand(code?: number): void {
    if (code !== Command.authenticatorGetNextAssertion) this.nextAssertions = undefined;
    if (code !== Command.authenticatorLargeBlobs) this.largeBlobWrite = undefined;
    const now = this.#clock.monotonic();
    for (const [next, { expiresAt }] of this.enumerations) if (now > expiresAt) this.enumerations.delete(next);
  }
}
