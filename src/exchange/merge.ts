// What leaves a vault, and how it comes into another: compared first, then all of it in one transaction or none.

import type { CborValue } from '../../ctap/cbor.ts';
import { syncedIdKey } from '../../ctap/credential-id.ts';
import type { Credential, DeviceState, Vault } from '../../ctap/env.ts';
import { defaultPolicy } from '../../ctap/policy.ts';
import { VaultError } from '../../store/vault.ts';
import { UserError } from '../errors.ts';
import { base64url } from '../jwk.ts';
import { createOpensslCrypto } from '../openssl.ts';
import { decodeLargeBlobs, encodeLargeBlobs, openLargeBlob, sealLargeBlob } from './large-blobs.ts';
import { credentialJson, type PortableCredential, type PortableVault } from './portable.ts';

/** What a merge does with each credential that it is given. */
export interface Merge {
  readonly added: readonly PortableCredential[];
  /** In the vault already, the same in everything. */
  readonly present: readonly PortableCredential[];
  /** In the vault already, with the same key, but other names, data or times. */
  readonly differing: readonly PortableCredential[];
  /** Keys to ids that the vault could not open. */
  readonly newIdKeys: readonly Uint8Array[];
  /** Durable when it resolves, unchanged if it rejects. */
  apply(): Promise<void>;
}

const openssl = createOpensslCrypto();

/** The synced ones among the credentials, oldest first, and what goes with them. */
export function portableVault(device: DeviceState, credentials: readonly Credential[]): PortableVault {
  const elements = decodeLargeBlobs(device.largeBlobArray) ?? [];
  return {
    syncedIdKeys: idKeys(device),
    credentials: credentials
      .filter(isSynced)
      .map((credential) => withLargeBlob(credential, elements))
      .sort((a, b) => a.createdAt - b.createdAt || Buffer.compare(a.id, b.id)),
  };
}

/**
 * Compares what comes with what is there. `replace`: credentials that differ become as they come; otherwise they stay.
 * @throws UserError if a credential has another key or kind in the vault, comes with two keys, or has no room
 */
export function planMerge(vault: Vault, incoming: PortableVault, replace: boolean): Merge {
  const { device } = vault;
  const elements = decodeLargeBlobs(device.largeBlobArray) ?? [];
  const added: PortableCredential[] = [];
  const present: PortableCredential[] = [];
  const differing: PortableCredential[] = [];
  const seen = new Map<string, PortableCredential>();
  for (const credential of incoming.credentials) {
    const id = base64url(credential.id);
    const twin = seen.get(id);
    if (twin && !isSameKey(twin, credential)) refuse(credential, 'comes twice, with different keys');
    if (twin) continue;
    seen.set(id, credential);
    const existing = existingCredential(vault, credential);
    if (!existing) added.push(credential);
    else if (isSame(withLargeBlob(existing, elements), credential)) present.push(credential);
    else differing.push(credential);
  }
  const known = new Set(idKeys(device).map(base64url));
  const newIdKeys = incoming.syncedIdKeys.filter((key) => !known.has(base64url(key)));
  const written = [...added, ...(replace ? differing : [])].map(withLargeBlobKey);
  const change: Partial<DeviceState> = {
    ...(newIdKeys.length > 0 && { restoredIdKeys: [...device.restoredIdKeys, ...newIdKeys] }),
    ...largeBlobChange(device, written),
  };
  return {
    added,
    present,
    differing,
    newIdKeys,
    apply: () =>
      vault.update((tx) => {
        for (const { largeBlob: _, ...credential } of written) tx.putCredential(credential);
        if (Object.keys(change).length > 0) tx.setDevice(change);
      }),
  };
}

/** The credential with this id in the vault; one that is damaged there may come anew. */
function existingCredential(vault: Vault, incoming: PortableCredential): SyncedCredential | undefined {
  let existing: Credential | undefined;
  try {
    existing = vault.credential(incoming.id);
  } catch (error) {
    if (error instanceof VaultError && error.code === 'corrupt') return undefined;
    throw error;
  }
  if (!existing) return undefined;
  if (!isSameKey(existing, incoming)) refuse(incoming, 'has another key in the vault');
  return isSynced(existing) ? existing : refuse(incoming, 'is device-bound in the vault');
}

function isSameKey(a: Credential, b: Credential): boolean {
  return a.rpId === b.rpId && openssl.equal(a.privateKey, b.privateKey);
}

type SyncedCredential = Credential & { readonly kind: 'synced' };

function isSynced(credential: Credential): credential is SyncedCredential {
  return credential.kind === 'synced';
}

function isSame(a: PortableCredential, b: PortableCredential): boolean {
  return JSON.stringify(credentialJson(a)) === JSON.stringify(credentialJson(b));
}

function withLargeBlob(credential: SyncedCredential, elements: readonly CborValue[]): PortableCredential {
  const { largeBlobKey } = credential;
  if (!largeBlobKey) return credential;
  for (const element of elements) {
    const largeBlob = openLargeBlob(openssl, largeBlobKey, element);
    if (largeBlob) return { ...credential, largeBlob };
  }
  return credential;
}

/** A blob that comes from elsewhere has no key yet. */
function withLargeBlobKey(credential: PortableCredential): PortableCredential {
  if (!credential.largeBlob || credential.largeBlobKey) return credential;
  return { ...credential, largeBlobKey: openssl.randomBytes(32) };
}

/** The large-blob array with the blobs of these credentials in place of those that they had. */
function largeBlobChange(device: DeviceState, written: readonly PortableCredential[]): Partial<DeviceState> {
  const keys = written.flatMap(({ largeBlobKey }) => largeBlobKey ?? []);
  const sealed = written.flatMap(({ largeBlob, largeBlobKey }) =>
    largeBlob && largeBlobKey ? [sealLargeBlob(openssl, largeBlobKey, largeBlob)] : [],
  );
  const before = decodeLargeBlobs(device.largeBlobArray);
  if (!before) {
    if (sealed.length === 0) return {};
    throw new UserError("the key's large-blob array is not one that can be added to", 'nothing was changed');
  }
  const others = before.filter((element) => !keys.some((key) => openLargeBlob(openssl, key, element)));
  if (sealed.length === 0 && others.length === before.length) return {};
  const largeBlobArray = encodeLargeBlobs(openssl, [...others, ...sealed]);
  const { maxSerializedLargeBlobArray: room } = defaultPolicy;
  if (largeBlobArray.length <= room) return { largeBlobArray };
  throw new UserError(
    `expected large blobs of at most ${room} bytes in all, got ${largeBlobArray.length}`,
    'nothing was changed; delete credentials with large blobs first',
  );
}

/** The device's own key, then those of backups restored before. */
function idKeys({ credentialIdKey, restoredIdKeys }: DeviceState): Uint8Array[] {
  return [syncedIdKey(openssl, credentialIdKey), ...restoredIdKeys];
}

function refuse({ id, rpId }: Pick<PortableCredential, 'id' | 'rpId'>, reason: string): never {
  throw new UserError(
    `the credential ${base64url(id).slice(0, 12)} of ${rpId} ${reason}`,
    'nothing was changed; look at it with `passfob credentials show`',
  );
}
