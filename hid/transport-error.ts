// Why a transport cannot be opened, or died: a stable code for programs, a message and a way out for people.

export type TransportErrorCode = 'no-device' | 'no-permission' | 'in-use' | 'io';

export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: TransportErrorCode;
  /** What a person can do about it; may span lines. */
  readonly hint: string | undefined;

  constructor(code: TransportErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.hint = options.hint;
  }
}
