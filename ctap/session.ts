// What the authenticator remembers between commands, and only until the next power cycle.

import type { CredentialSource, Environment, UserEntity } from './env.ts';
import { PinUvAuth } from './pin-uv-auth.ts';

/** An account that authenticatorGetNextAssertion may still be asked for. */
export type DiscoverableAccount = CredentialSource & { readonly user: UserEntity };

/** The rest of an authenticatorGetAssertion that found several accounts. CTAP 2.1 §6.2.2 step 12. */
export interface NextAssertions {
  readonly channel: number;
  readonly clientDataHash: Uint8Array;
  /** As in the first answer. */
  readonly flags: number;
  /** Newest first; never empty. */
  readonly accounts: readonly DiscoverableAccount[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export class Session {
  /** Milliseconds since 1970. */
  readonly poweredUpAt: number;
  /** Any command but authenticatorGetNextAssertion clears it. */
  nextAssertions: NextAssertions | undefined;
  /** Renewed by a reset. */
  pinUvAuth: PinUvAuth;

  constructor(environment: Environment) {
    this.poweredUpAt = environment.clock.now();
    this.pinUvAuth = new PinUvAuth(environment);
  }
}
