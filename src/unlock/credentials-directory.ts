// Secrets that systemd hands to a service: LoadCredential= and LoadCredentialEncrypted= put files into a folder that only
// the service can read. systemd.exec(5), CREDENTIALS_DIRECTORY.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Name of the credential that holds the secret of a slot. */
export function credentialName(slotId: string): string {
  return `passfob-${slotId}`;
}

/** The secret of a slot, if this process is a service that was given one. */
export function readServiceCredential(
  slotId: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Uint8Array | undefined {
  const directory = env['CREDENTIALS_DIRECTORY'];
  if (!directory) return undefined;
  try {
    return readFileSync(join(directory, credentialName(slotId)));
  } catch {
    return undefined; // Given for another slot, or for another program.
  }
}
