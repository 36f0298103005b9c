// The words that command line and daemon share on the control socket: HTTP/1.1 with JSON bodies, and one with a JSON text
// a line, which is written as fast as it is read.
//
//   GET    /status              DaemonStatus             POST   /replug    {}
//   GET    /credentials         CredentialEntry a line   GET    /dump      Dump without secrets
//   GET    /credentials/ID      CredentialDetails        POST   /dump      WayIn → Dump with secrets
//   DELETE /credentials/ID      CredentialView           POST   /consent   { mode } → {}
//   PATCH  /credentials/ID      UserNames → CredentialView
//   POST   /reset               {}                       POST   /ctap      { request } → { response }, base64url
//   POST   /lock                {}
//   POST   /unlock              WayIn, or {} to try the ways that need nobody → { unlocked }
//   GET    /check               VaultCheck               POST   /export    WayIn → CredentialExport
//   POST   /import              { content, replace, dryRun } → ImportReport
//   POST   /drop                { records } → { dropped }
//
// An error is { error: { message, hint?, exitCode } } with a status of 400 or above; among lines, it is the last one.

import type { ConsentMode } from '../config.ts';

export const scriptedModes = ['always', 'never', 'once'] as const;
export type ScriptedMode = (typeof scriptedModes)[number];

export interface DaemonStatus {
  readonly running: true;
  readonly version: string;
  readonly pid: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly vault: string;
  readonly locked: boolean;
  /** Null while the vault is locked, or cannot be read. */
  readonly credentials: number | null;
  /** Names of the transports that hosts can see the key on. */
  readonly transports: readonly string[];
  readonly consent: ConsentMode;
}

/** The content type of an answer of lines. */
export const jsonLines = 'application/x-ndjson';

/** Bytes of a request body; names and a passphrase fit many times over. */
export const maxBodyBytes = 64 * 1024;

/** The same for `/import`: 100,000 credentials with all that belongs to them. */
export const maxImportBytes = 256 * 1024 * 1024;
