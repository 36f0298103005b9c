// What a relying party learns of a credential's kind: the flags BE and BS, and the signature counter. A copy of a
// counter on another device would run apart from the first, so synced credentials have none. WebAuthn §6.1.1, §6.1.3.

import type { CredentialKind, CredentialSource, Vault } from './env.ts';
import type { Policy } from './policy.ts';
import { Flag } from './wire.ts';

/** What a new credential becomes for its whole life: as configured for its relying party, for all, or for the vault. */
export function kindOfNewCredential(policy: Policy, vault: Vault, rpId: string): CredentialKind {
  return policy.credentialKindOf.get(rpId) ?? policy.credentialKind ?? vault.device.credentialKind;
}

/** BE and BS, to be joined with the other flags of authenticator data. */
export function backupFlags({ kind }: Pick<CredentialSource, 'kind'>): number {
  return kind === 'synced' ? Flag.BE | Flag.BS : 0;
}

/** The signature count of the next signature: always 0 for a synced credential. */
export function nextSignCount(vault: Vault, { kind }: Pick<CredentialSource, 'kind'>): number {
  return kind === 'synced' ? 0 : vault.nextSignCount();
}
