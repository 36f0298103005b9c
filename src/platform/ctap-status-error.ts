// What a key refuses, for people: the status byte of its answer, the specification's name for it, and a sentence.

import { Status, type StatusName } from '../../ctap/status.ts';

const namesByStatus = new Map<number, StatusName>(
  Object.entries(Status).map(([name, status]) => [status, name as StatusName]),
);

const sentences: { readonly [name in StatusName]?: string } = {
  INVALID_COMMAND: 'the key does not know this command',
  CREDENTIAL_EXCLUDED: 'the key is registered already',
  UNSUPPORTED_ALGORITHM: 'the key has none of the signature algorithms asked for',
  OPERATION_DENIED: 'the request was declined',
  KEY_STORE_FULL: 'the key has no room left',
  UNSUPPORTED_OPTION: 'the key cannot do what was asked',
  KEEPALIVE_CANCEL: 'the request was cancelled',
  NO_CREDENTIALS: 'the key has no credential for this site',
  USER_ACTION_TIMEOUT: 'nobody answered in time',
  NOT_ALLOWED: 'the key does not allow this now',
  PIN_INVALID: 'the PIN is wrong',
  PIN_BLOCKED: 'the PIN is blocked: only a reset helps',
  PIN_AUTH_BLOCKED: 'too many wrong PINs: unplug the key and plug it in again',
  PIN_NOT_SET: 'the key has no PIN yet',
  PIN_POLICY_VIOLATION: 'the key does not accept this PIN or this length',
  PUAT_REQUIRED: 'the key asks for its PIN',
  UV_BLOCKED: 'user verification is blocked',
};

/** A CTAP answer other than success. CTAP 2.1 §8.2. */
export class CtapStatusError extends Error {
  override readonly name = 'CtapStatusError';
  /** The status byte. */
  readonly status: number;
  /** The specification's name without its prefix, as in `Status`; undefined if it has none. */
  readonly statusName: StatusName | undefined;

  constructor(status: number) {
    const statusName = namesByStatus.get(status);
    const code = `0x${status.toString(16).padStart(2, '0')}`;
    super(
      `${(statusName && sentences[statusName]) ?? 'the key refused'} (${[code, statusName].filter(Boolean).join(' ')})`,
    );
    this.status = status;
    this.statusName = statusName;
  }
}
