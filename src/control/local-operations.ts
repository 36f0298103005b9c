// KeyOperations on a vault that this process has open: the daemon's, behind its control socket, or the command line's.

import { setImmediate as letOthersRun } from 'node:timers/promises';
import type { Credential } from '../../ctap/env.ts';
import { defaultPolicy } from '../../ctap/policy.ts';
import { Command } from '../../ctap/wire.ts';
import { type OpenVault, VaultError, wipeSecrets } from '../../store/vault.ts';
import { exitCode, UserError } from '../errors.ts';
import { JsonReader } from '../exchange/json-reader.ts';
import { planMerge, portableVault } from '../exchange/merge.ts';
import { type PortableVaultJson, portableVaultJson, readPortableVault } from '../exchange/portable.ts';
import { base64url, privateJwk, publicJwk } from '../jwk.ts';
import { wipe } from '../unlock/unlock-vault.ts';
import { nameOf, unlockBy, type WayIn } from '../unlock/way-in.ts';
import { checkVault } from './check.ts';
import type {
  CredentialDetails,
  CredentialEntry,
  CredentialExport,
  CredentialView,
  Dump,
  ImportOptions,
  ImportReport,
  KeyOperations,
  UserNames,
  VaultCheck,
} from './operations.ts';

/** What the operations need of the authenticator around the vault. */
export interface Device {
  readonly aaguid: Uint8Array;
  /** A CTAP2 request, as on the wire. */
  cbor(request: Uint8Array): Promise<Uint8Array>;
  /** A power cycle: forgets channels, tokens and what was pending. */
  replug(): Promise<void>;
}

/** The CTAP commands that are let through; whatever touches credentials is for hosts, who are seen to ask. */
const ctapCommands: ReadonlySet<number> = new Set([
  Command.authenticatorGetInfo,
  Command.authenticatorClientPIN,
  Command.authenticatorConfig,
]);

/** Credentials that are read without a pause: some milliseconds, which no sign-in notices. */
const readAtOnce = 32;

export class LocalOperations implements KeyOperations {
  readonly #vault: OpenVault;
  readonly #device: Device;

  constructor(vault: OpenVault, device: Device) {
    this.#vault = vault;
    this.#device = device;
  }

  async *credentials(): AsyncGenerator<CredentialEntry> {
    for await (const entry of this.#read()) {
      yield entry instanceof VaultError ? { damaged: entry.message } : view(entry);
    }
  }

  async show(id: string): Promise<CredentialDetails> {
    return details(await this.#find(id));
  }

  async delete(id: string): Promise<CredentialView> {
    const credential = await this.#find(id);
    await this.#vault.update((tx) => tx.deleteCredential(credential.id));
    return view(credential);
  }

  async rename(id: string, names: UserNames): Promise<CredentialView> {
    for (const [field, name] of Object.entries(names)) refuseUnfit(field, name);
    const found = await this.#find(id);
    // As it is by now: looking for it took its time.
    const credential = this.#vault.credential(found.id);
    if (!credential) throw noCredential(id);
    const { name, displayName } = credential.user;
    const renamed: Credential = {
      ...credential,
      user: {
        id: credential.user.id,
        ...optional('name', names.userName ?? name),
        ...optional('displayName', names.userDisplayName ?? displayName),
      },
    };
    await this.#vault.update((tx) => tx.putCredential(renamed));
    return view(renamed);
  }

  async dump(way?: WayIn): Promise<Dump> {
    const withSecrets = way !== undefined;
    if (withSecrets) await this.#requireWayIn(way);
    return this.#withAll(({ sound, damaged }) => ({
      format: 'passfob-dump',
      formatVersion: 1,
      createdAt: new Date().toISOString(),
      device: {
        aaguid: formatAaguid(this.#device.aaguid),
        signCount: this.#vault.signCount,
        ...(withSecrets && { credentialIdKey: base64url(this.#vault.device.credentialIdKey) }),
      },
      credentials: sound.map((credential) => ({
        ...details(credential),
        ...(withSecrets && { privateKey: privateJwk(credential.algorithm, credential) }),
      })),
      damaged,
    }));
  }

  async exportCredentials(way: WayIn): Promise<CredentialExport> {
    await this.#requireWayIn(way);
    return this.#withAll(({ sound, damaged }) => ({
      ...portableVaultJson(portableVault(this.#vault.device, sound)),
      deviceBound: sound.filter(({ kind }) => kind === 'device-bound').map(view),
      damaged,
    }));
  }

  async importCredentials(content: PortableVaultJson, { replace, dryRun }: ImportOptions): Promise<ImportReport> {
    const merge = planMerge(this.#vault, readPortableVault(new JsonReader(content)), replace ?? false);
    if (!dryRun) await merge.apply();
    return {
      added: merge.added.map(view),
      present: merge.present.map(view),
      differing: merge.differing.map(view),
      newIdKeys: merge.newIdKeys.length,
    };
  }

  async check(): Promise<VaultCheck> {
    return checkVault(this.#vault);
  }

  dropDamaged(records: readonly string[]): Promise<number> {
    return this.#vault.dropDamaged(records);
  }

  async ctap(request: Uint8Array): Promise<Uint8Array> {
    const [code] = request;
    if (code !== undefined && ctapCommands.has(code)) return this.#device.cbor(request);
    throw new UserError(
      'expected a CTAP command that is about the key, not its credentials',
      undefined,
      exitCode.usage,
    );
  }

  async reset(): Promise<void> {
    await this.#vault.update((tx) => tx.reset());
    await this.#device.replug();
  }

  async close(): Promise<void> {
    await this.#vault.close();
  }

  async #requireWayIn(way: WayIn): Promise<void> {
    const unlock = unlockBy(way);
    const isOpened = await this.#vault.opensWith(unlock).finally(() => wipe(unlock));
    if (isOpened) return;
    throw new UserError(`wrong ${nameOf(way)}`, 'nothing was written', exitCode.vault);
  }

  /** Everything; the secrets of each are overwritten when the next is asked for. */
  async *#read(): AsyncGenerator<Credential | VaultError> {
    for await (const entry of this.#readWithSecrets()) {
      try {
        yield entry;
      } finally {
        if (!(entry instanceof VaultError)) wipeSecrets(entry);
      }
    }
  }

  /** With a turn for everybody else after every few. */
  async *#readWithSecrets(): AsyncGenerator<Credential | VaultError> {
    let count = 0;
    for (const entry of this.#vault.credentials()) {
      yield entry;
      if (++count % readAtOnce === 0) await letOthersRun();
    }
  }

  /** Newest first; their secrets are overwritten after `use`. A damaged record hides no other. */
  async #withAll<T>(use: (all: { sound: Credential[]; damaged: string[] }) => T): Promise<T> {
    const sound: Credential[] = [];
    const damaged: string[] = [];
    try {
      for await (const entry of this.#readWithSecrets()) {
        if (entry instanceof VaultError) damaged.push(entry.message);
        else sound.push(entry);
      }
      sound.sort((a, b) => b.createdAt - a.createdAt);
      return use({ sound, damaged });
    } finally {
      for (const credential of sound) wipeSecrets(credential);
    }
  }

  /** Perhaps without its secrets. */
  async #find(id: string): Promise<Credential> {
    const named = this.#vault.credential(Buffer.from(id, 'base64url'));
    if (named && base64url(named.id) === id) return named;
    const fitting: Credential[] = [];
    for await (const entry of this.#read()) {
      if (!(entry instanceof VaultError) && base64url(entry.id).startsWith(id)) fitting.push(entry);
    }
    const [first, ...others] = fitting;
    if (first === undefined || id === '') throw noCredential(id);
    if (others.length === 0) return first;
    throw new UserError(
      `${fitting.length} credentials have ids that begin with "${id}"`,
      'give more of the id',
      exitCode.notFound,
    );
  }
}

function noCredential(id: string): UserError {
  return new UserError(
    `no credential has an id that begins with "${id}"`,
    '`passfob credentials list` shows them',
    exitCode.notFound,
  );
}

function view(credential: Credential): CredentialView {
  return {
    id: base64url(credential.id),
    rpId: credential.rpId,
    userName: credential.user.name ?? null,
    userDisplayName: credential.user.displayName ?? null,
    createdAt: new Date(credential.createdAt).toISOString(),
    // Only discoverable credentials are records of the vault; the others live in their ids, at the relying party.
    discoverable: true,
    algorithm: credential.algorithm,
  };
}

function details(credential: Credential): CredentialDetails {
  return {
    ...view(credential),
    rpName: credential.rpName ?? null,
    userHandle: base64url(credential.user.id),
    publicKey: publicJwk(credential.algorithm, credential),
  };
}

/** What a website may choose: longer names would not fit the answer to a sign-in, and half a character fits no answer. */
function refuseUnfit(field: string, name: string): void {
  if (/\p{Surrogate}/u.test(name)) {
    throw new UserError(`${field}: expected a text of Unicode, got half a character`, undefined, exitCode.usage);
  }
  const bytes = Buffer.byteLength(name);
  if (bytes <= defaultPolicy.maxNameBytes) return;
  throw new UserError(
    `expected a name of at most ${defaultPolicy.maxNameBytes} bytes, got ${bytes}`,
    undefined,
    exitCode.usage,
  );
}

/** `{[key]: value}`, or nothing for an empty text: an empty name is the way to remove one. */
function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value ? ({ [key]: value } as { [P in K]?: string }) : {};
}

/** The dashed form in which metadata services list AAGUIDs. */
export function formatAaguid(aaguid: Uint8Array): string {
  return Buffer.from(aaguid)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
