// The page's side of the ceremonies, as a website would write it; for pages of the demo's relying party.

import type { DecodedRegistration, DecodedSignIn } from '../../src/demo/decoded.ts';

/** The choices of src/demo/ceremonies.ts, where the defaults are, and extensions, which the page adds by itself. */
export interface Choices {
  readonly userName: string;
  readonly residentKey: 'required' | 'discouraged';
  readonly attestation: 'none' | 'direct';
  readonly userVerification?: 'required' | 'discouraged';
  /** WebAuthn §5.1.8: byte strings as base64url. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export type SignInChoices = Partial<Pick<Choices, 'userName' | 'userVerification' | 'extensions'>>;

/** What the relying party verified, and the client extension outputs that only the page sees. */
export type Outcome<T> = T & { readonly extensions: Readonly<Record<string, unknown>> };

/** An expression whose value in the page is the registration's outcome. */
export const register = (choices: Choices) => `register(${JSON.stringify(choices)})`;

/** An expression whose value in the page is the sign-in's outcome. */
export const signIn = (choices: SignInChoices) => `signIn(${JSON.stringify(choices)})`;

export type Registration = Outcome<DecodedRegistration>;
export type SignIn = Outcome<DecodedSignIn>;

/** Statements that give a page its functions. */
export const ceremonies = `
  globalThis.abort = new AbortController();
  globalThis.outcome = undefined;
  globalThis.ask = async (path, body) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) throw new Error(path + ': ' + answer.error.message);
    return answer;
  };
  globalThis.verify = async (path, credential) => {
    const json = credential.toJSON();
    return { ...(await ask(path, json)), extensions: json.clientExtensionResults };
  };
  globalThis.register = async ({ extensions, ...choices }, signal) => {
    const json = await ask('/register/options', choices);
    Object.assign(json.extensions, extensions);
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(json);
    return verify('/register/verify', await navigator.credentials.create({ publicKey, signal }));
  };
  globalThis.signIn = async ({ extensions, ...choices }, signal) => {
    const json = await ask('/sign-in/options', choices);
    json.extensions = { ...json.extensions, ...extensions };
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(json);
    return verify('/sign-in/verify', await navigator.credentials.get({ publicKey, signal }));
  };
`;
