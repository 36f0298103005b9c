// What goes wrong in front of a person: a message, a hint that mends it, an exit code. Everything else is a bug.

/** The program's exit codes; docs/cli.md explains them to people. */
export const exitCode = {
  ok: 0,
  /** Something failed that has no number of its own. */
  failure: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
  /** The vault is missing, damaged, in use, or the passphrase is wrong. */
  vault: 3,
  /** No credential, or more than one, fits the given id. */
  notFound: 4,
  /** The command needs a running daemon and there is none, or one is there and must not be. */
  daemon: 5,
  /** A person said no. */
  declined: 6,
  /** The device could not be made: no /dev/uhid, no permission, address in use. */
  transport: 7,
  /** The PIN is wrong or blocked, or must be changed first. */
  pin: 8,
  /** Ended by Ctrl-C (SIGINT) before it was done: what shells say of such a program. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** An error for people: two lines on standard error and an exit code. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  /** `message`: lower case, what was expected and what came. `hint`: what to do about it. */
  constructor(message: string, hint?: string, code: ExitCode = exitCode.failure) {
    super(message);
    this.hint = hint;
    this.exitCode = code;
  }
}
