// The newest credentials out of all that a key lists in its own order, keeping no more of them than are asked for.

import type { CredentialEntry, CredentialView } from './operations.ts';

export interface CredentialList {
  /** Newest first. */
  readonly credentials: readonly CredentialView[];
  /** How many there are, with those that were not asked for. */
  readonly total: number;
  /** One message for each record that could not be opened. */
  readonly damaged: readonly string[];
}

/** @param most how many credentials to keep. */
export async function newestFirst(
  entries: AsyncIterable<CredentialEntry>,
  most = Number.POSITIVE_INFINITY,
): Promise<CredentialList> {
  const credentials: CredentialView[] = [];
  const damaged: string[] = [];
  let total = 0;
  const keepNewest = () => {
    credentials.sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
    credentials.splice(most);
  };
  for await (const entry of entries) {
    if ('damaged' in entry) {
      damaged.push(entry.damaged);
      continue;
    }
    total++;
    credentials.push(entry);
    if (credentials.length >= 2 * most) keepNewest();
  }
  keepNewest();
  return { credentials, total, damaged };
}
