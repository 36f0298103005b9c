// The page without a browser: the relying party's endpoints over HTTP, with the cookie that a browser would keep.

import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import type { RegistrationChoices, SignInChoices } from './ceremonies.ts';
import type { DecodedRegistration, DecodedSignIn } from './decoded.ts';

export class RelyingPartyClient {
  readonly #url: string;
  #cookie = '';

  constructor(url: string) {
    this.#url = url;
  }

  registrationOptions(choices: Partial<RegistrationChoices>): Promise<PublicKeyCredentialCreationOptionsJSON> {
    return this.#post('/register/options', choices);
  }

  register(response: RegistrationResponseJSON): Promise<DecodedRegistration> {
    return this.#post('/register/verify', response);
  }

  signInOptions(choices: Partial<SignInChoices>): Promise<PublicKeyCredentialRequestOptionsJSON> {
    return this.#post('/sign-in/options', choices);
  }

  signIn(response: AuthenticationResponseJSON): Promise<DecodedSignIn> {
    return this.#post('/sign-in/verify', response);
  }

  /** @throws Error with the relying party's own words if it refuses. */
  async #post<T>(path: string, body: unknown): Promise<T> {
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: this.#cookie },
      body: JSON.stringify(body),
    });
    const [cookie] = response.headers.getSetCookie();
    this.#cookie = cookie?.split(';')[0] ?? this.#cookie;
    const answer = (await response.json()) as T & { error?: { message: string } };
    if (!response.ok) {
      throw new Error(answer.error?.message ?? `expected an answer from ${path}, got status ${response.status}`);
    }
    return answer;
  }
}
