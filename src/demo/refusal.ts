// What the relying party says when it does not do what was asked: a status, a code for programs, a sentence for people.

/** Becomes `{ error: { code, message } }` with this HTTP status; the server lives on. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
