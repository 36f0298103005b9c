// What the command line can do with a key, whether a daemon serves it or not. Two things fit this interface:
// LocalOperations (this process has the vault open) and the control client (a daemon has it). Shapes are JSON.

import type { PortableVaultJson } from '../exchange/portable.ts';
import type { JsonWebKey } from '../jwk.ts';
import type { WayIn } from '../unlock/way-in.ts';

/** A credential as people and scripts see it. */
export interface CredentialView {
  /** base64url without padding. */
  readonly id: string;
  readonly rpId: string;
  readonly userName: string | null;
  readonly userDisplayName: string | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly discoverable: boolean;
  /** COSE number: -7 is ES256. */
  readonly algorithm: number;
}

export interface CredentialDetails extends CredentialView {
  readonly rpName: string | null;
  /** base64url: the account's handle at the relying party. */
  readonly userHandle: string;
  /** JSON Web Key, RFC 7517. */
  readonly publicKey: JsonWebKey;
}

export interface CredentialDump extends CredentialDetails {
  readonly privateKey?: JsonWebKey;
}

export interface Dump {
  readonly format: 'passfob-dump';
  readonly formatVersion: 1;
  readonly createdAt: string;
  readonly device: {
    readonly aaguid: string;
    /** The last signature count that may have been given out. */
    readonly signCount: number;
    /** base64url; seals non-discoverable credentials. Only with `--secrets`. */
    readonly credentialIdKey?: string;
  };
  readonly credentials: readonly CredentialDump[];
  /** One message for each record that could not be opened; empty in a sound vault. */
  readonly damaged: readonly string[];
}

/** In place of a credential whose record cannot be opened: the message that tells. */
export interface DamagedCredential {
  readonly damaged: string;
}

export type CredentialEntry = CredentialView | DamagedCredential;

/** What may leave the vault, and what stays. */
export interface CredentialExport extends PortableVaultJson {
  readonly deviceBound: readonly CredentialView[];
  readonly damaged: readonly string[];
}

export interface ImportOptions {
  /** Credentials that differ become as they come; otherwise they stay as they are. */
  readonly replace?: boolean;
  /** Says what it would do, and does nothing. */
  readonly dryRun?: boolean;
}

export interface ImportReport {
  readonly added: readonly CredentialView[];
  /** There already, the same in everything. */
  readonly present: readonly CredentialView[];
  /** There already with the same key, but other names, data or times. */
  readonly differing: readonly CredentialView[];
  /** Keys to non-discoverable credentials that were not known here. */
  readonly newIdKeys: number;
}

export interface DamagedRecord {
  /** Hexadecimal: where it stands in the vault; null where nothing tells. */
  readonly record: string | null;
  /** Null if no undamaged credential of the same relying party is there to tell. */
  readonly rpId: string | null;
  readonly message: string;
  /** A credential's, which `dropDamaged` forgets; the vault cannot do without the others. */
  readonly droppable: boolean;
}

export interface VaultCheck {
  /** Credentials that open. */
  readonly sound: number;
  /** How many entries of the index were wrong, and are right now. */
  readonly mended: number;
  readonly damaged: readonly DamagedRecord[];
}

export interface UserNames {
  readonly userName?: string;
  readonly userDisplayName?: string;
}

export interface KeyOperations {
  /** All there were when the first was read, in the vault's own order, read a few at a time; perhaps also newer ones. */
  credentials(): AsyncIterable<CredentialEntry>;
  /** `id` here and below: an id in base64url or the beginning of one that only one credential has. */
  show(id: string): Promise<CredentialDetails>;
  delete(id: string): Promise<CredentialView>;
  rename(id: string, names: UserNames): Promise<CredentialView>;
  /** Private keys only for a way into the vault, which is checked. */
  dump(way?: WayIn): Promise<Dump>;
  /** The synced credentials with their private keys, if this is a way into the vault. */
  exportCredentials(way: WayIn): Promise<CredentialExport>;
  /** All or nothing. @throws UserError if one cannot be taken */
  importCredentials(content: PortableVaultJson, options: ImportOptions): Promise<ImportReport>;
  /** Opens every record, and mends the index. */
  check(): Promise<VaultCheck>;
  /** Forgets these records, if they are damaged; returns how many were. The caller has asked the person. */
  dropDamaged(records: readonly string[]): Promise<number>;
  /**
   * The authenticator's answer to a CTAP2 request: a status byte, then canonical CBOR. Only getInfo, clientPIN and config
   * are let through.
   */
  ctap(request: Uint8Array): Promise<Uint8Array>;
  /** Factory state. The caller has asked the person. */
  reset(): Promise<void>;
  close(): Promise<void>;
}
