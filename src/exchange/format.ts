// What each file format of other managers has in common: how it is recognised, read and written. A format carries what
// it can; what it has no place for gets the value that a new credential would have.

import { sealedCredRandom } from '../../ctap/credential-id.ts';
import { UserError } from '../errors.ts';
import { oneLine } from '../log.ts';
import { createOpensslCrypto } from '../openssl.ts';
import type { CredentialKey } from './credential-key.ts';
import { isDomain, type JsonReader } from './json-reader.ts';
import type { PortableCredential } from './portable.ts';

export interface Found {
  readonly credentials: readonly PortableCredential[];
  /** Entries that are no passkeys: logins, notes, cards. */
  readonly passedOver: number;
  /** Passkeys that counted their sign-ins; here they count no more, which their sites may take for a copy. */
  readonly counted: number;
}

export interface ExchangeFormat {
  /** In words for people. */
  readonly title: string;
  /** Whether a document looks like one of this format. */
  fits(document: Readonly<Record<string, unknown>>): boolean;
  /** @throws UserError with the path of what is wrong */
  read(document: JsonReader): Found;
  /** A document for `JSON.stringify`. @throws UserError for credentials that the format cannot hold */
  write(credentials: readonly PortableCredential[]): unknown;
}

type Identity = Pick<PortableCredential, 'id' | 'rpId' | 'rpIdHash' | 'rpName' | 'user' | 'kind'>;
type Extras = Pick<PortableCredential, 'credBlob' | 'largeBlob'> &
  Partial<Pick<PortableCredential, 'credRandom' | 'thirdPartyPayment'>>;

const openssl = createOpensslCrypto();

/** A credential as it comes from elsewhere. Secrets for hmac-secret follow from its key if it brings none. */
export function importedCredential(
  identity: Identity,
  key: CredentialKey,
  createdAt: number | undefined,
  extras: Extras = {},
): PortableCredential {
  return {
    ...identity,
    createdAt: createdAt ?? Date.now(),
    ...key,
    credProtect: 1,
    credRandom: sealedCredRandom(openssl, key.privateKey),
    thirdPartyPayment: false,
    ...extras,
  };
}

/** The RP ID of a website's credential. @throws UserError for others, as that of an SSH key, which no manager would take */
export function websiteOf({ rpId }: PortableCredential): string {
  if (isDomain(rpId)) return rpId;
  throw new UserError(
    `other managers have passkeys of websites only, and "${oneLine(rpId)}" is none`,
    'a backup takes it; with IDs or --rp others can go alone',
  );
}
