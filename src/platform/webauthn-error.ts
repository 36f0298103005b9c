// What navigator.credentials rejects with: the DOMException names of WebAuthn, without the DOM.

export type WebAuthnErrorName =
  | 'AbortError'
  | 'ConstraintError'
  | 'InvalidStateError'
  | 'NotAllowedError'
  | 'NotSupportedError'
  | 'SecurityError'
  | 'UnknownError';

/** A ceremony that did not end in a credential. `name` is the one a browser would show to the page. WebAuthn §5.1.3. */
export class WebAuthnError extends Error {
  override readonly name: WebAuthnErrorName;

  constructor(name: WebAuthnErrorName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = name;
  }
}
