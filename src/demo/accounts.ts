// The relying party's accounts, in memory: who is registered, and with which credentials.

import { randomBytes } from 'node:crypto';
import type { Uint8Array_ } from '@simplewebauthn/server';

/** One credential of one account, as far as the relying party has to remember it. */
export interface RegisteredCredential {
  /** base64url. */
  readonly id: string;
  /** COSE_Key. */
  readonly publicKey: Uint8Array_;
  /** COSE number. */
  readonly algorithm: number;
  readonly transports: string[];
  readonly aaguid: string;
  readonly fmt: string;
  /** What the client said (credProps.rk); undefined if it did not say. */
  readonly discoverable: boolean | undefined;
  /** The highest signature counter seen. */
  signCount: number;
}

export interface Account {
  readonly userName: string;
  /** The user handle, base64url of 16 random bytes: it says nothing about the person. WebAuthn §14.6.1. */
  readonly userId: string;
  readonly credentials: RegisteredCredential[];
}

export class Accounts {
  readonly #byName = new Map<string, Account>();

  find(userName: string): Account | undefined {
    return this.#byName.get(userName);
  }

  /** The account that a credential (id in base64url) belongs to. */
  findByCredential(id: string): { account: Account; credential: RegisteredCredential } | undefined {
    for (const account of this.#byName.values()) {
      const credential = account.credentials.find((each) => each.id === id);
      if (credential) {
        return { account, credential };
      }
    }
    return undefined;
  }

  /** Adds a credential to the account of that name, which is made if this is its first. */
  add(userName: string, userId: string, credential: RegisteredCredential): void {
    const account = this.#byName.get(userName) ?? { userName, userId, credentials: [] };
    account.credentials.push(credential);
    this.#byName.set(userName, account);
  }

  list(): readonly Account[] {
    return [...this.#byName.values()];
  }
}

export function newUserId(): string {
  return randomBytes(16).toString('base64url');
}
