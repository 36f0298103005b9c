// The one error of store/: a stable code for the program, a sentence for the person, a hint that mends it.
// Also the translation of what the file system and LMDB report. No secret ever enters a message.

export type VaultErrorCode =
  | 'not-found'
  | 'exists'
  | 'wrong-passphrase'
  | 'wrong-phrase'
  | 'wrong-key'
  | 'no-slot'
  | 'last-slot'
  | 'rekeyed'
  | 'foreign'
  | 'corrupt'
  | 'newer-format'
  | 'locked'
  | 'full'
  | 'read-only'
  | 'no-access'
  | 'io';

/** What each code means for the person, unless the place that throws knows better. */
const hints: Readonly<Record<VaultErrorCode, string>> = {
  'not-found': 'make a vault with `passfob vault init`, or name its folder with --vault',
  exists: 'open the vault that is there, or name another folder with --vault',
  'wrong-passphrase': 'try again; upper and lower case matter',
  'wrong-phrase': 'compare each word with what you wrote down',
  'wrong-key': '`passfob vault slots list` shows what opens the vault',
  'no-slot': '`passfob vault slots list` shows the slots and their ids',
  'last-slot': 'add another way in before you remove the last one',
  rekeyed: 'lock the vault and unlock it again',
  foreign: 'name the folder of a passfob vault with --vault; nothing was changed',
  corrupt: 'nothing was changed; keep a copy of the folder and restore a backup',
  'newer-format': 'update passfob; nothing was changed',
  locked: 'end the other program that uses the vault, then try again',
  full: 'make room on the disk, then try again; nothing was lost',
  'read-only': 'mount the disk writable, or move the vault to one that is',
  'no-access': 'make the folder and its files your own, with modes 0700 and 0600',
  io: 'look at the system log for the state of the disk; committed data is not affected',
};

const recordHint = 'the other records stay usable; `passfob vault check` says what is damaged, and what helps';

export class VaultError extends Error {
  override readonly name = 'VaultError';
  readonly code: VaultErrorCode;
  readonly hint: string;
  /** The key of the one record that it is about, hexadecimal. */
  readonly record: string | undefined;

  constructor(
    code: VaultErrorCode,
    message: string,
    options: { readonly hint?: string; readonly cause?: unknown; readonly record?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? (options.record === undefined ? hints[code] : recordHint);
    this.record = options.record;
  }
}

/** What the operating system or LMDB says, and what it means here; the first that fits. */
const meanings: readonly (readonly [RegExp, VaultErrorCode, string])[] = [
  [/MDB_MAP_FULL|ENOSPC|EDQUOT|EFBIG|no space left|quota exceeded|file too large/i, 'full', 'the disk is full'],
  [/EROFS|read-only file system/i, 'read-only', 'the disk is read-only'],
  [/EACCES|EPERM|permission denied|not permitted/i, 'no-access', 'the vault may not be opened by this user'],
  [/ENOENT|no such file/i, 'not-found', 'the folder of the vault is gone'],
  [/MDB_READERS_FULL|EBUSY|EAGAIN|busy|temporarily unavailable/i, 'locked', 'the vault is in use'],
  [/MDB_VERSION_MISMATCH|MDB_INVALID/, 'foreign', 'the file is not a vault'],
  [/MDB_CORRUPTED|MDB_PAGE_NOTFOUND|MDB_BAD_/, 'corrupt', 'the file of the vault is damaged'],
];

/** Runs `action`; what the file system or LMDB throws becomes a VaultError, everything else passes. */
export function translateErrors<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw toVaultError(error);
  }
}

function toVaultError(error: unknown): unknown {
  if (
    error instanceof VaultError ||
    !(error instanceof Error) ||
    !('code' in error || /MDB_|LMDB/.test(error.message))
  ) {
    return error;
  }
  const said = `${'code' in error ? error.code : ''} ${error.message}`;
  const meaning = meanings.find(([pattern]) => pattern.test(said));
  const where = 'path' in error ? `: ${error.path}` : '';
  if (meaning) return new VaultError(meaning[1], `${meaning[2]}${where}`, { cause: error });
  return new VaultError('io', `the vault could not be read or written: ${error.message}`, { cause: error });
}
