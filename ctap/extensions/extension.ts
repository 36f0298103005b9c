// What an extension is: how it takes part in authenticatorMakeCredential and authenticatorGetAssertion. One file an
// extension; extensions.ts has the table of them. CTAP 2.1 §12.

import type { Call } from '../call.ts';
import type { CborValue, MapReader } from '../cbor.ts';
import type { Credential, CredentialSource, CredRandom } from '../env.ts';
import type { ExtensionName } from '../wire.ts';

export interface Extension {
  readonly name: ExtensionName;
  /** Reads its input to makeCredential, if there is any. @throws CtapError if the input is refused. */
  create(request: CreationRequest): CreationEffect;
  /** Reads its input to getAssertion, if there is any. Absent: the extension has none. @throws CtapError as `create`. */
  assert?(request: AssertionRequest): AssertionEffect;
}

export interface ExtensionRequest {
  readonly call: Call;
  /** The inputs of all extensions, by name. */
  readonly inputs: MapReader;
  /** The user was verified, which the answer says with the flag UV. */
  readonly userVerified: boolean;
}

export interface CreationRequest extends ExtensionRequest {
  readonly rpId: string;
  /** The credential will be discoverable. */
  readonly rk: boolean;
}

export interface AssertionRequest extends ExtensionRequest {
  /** The option up. */
  readonly up: boolean;
}

export interface CreationEffect {
  /** What the credential keeps. */
  readonly attributes?: CredentialAttributes;
  /** What authenticator data says, made when the credential's secrets are known. */
  readonly output?: (credRandom: CredRandom) => CborValue;
}

/** What extensions give to a credential; `credBlob` and `largeBlobKey` only to a discoverable one. */
export type CredentialAttributes = Partial<
  Pick<Credential, 'credProtect' | 'thirdPartyPayment' | 'credBlob' | 'largeBlobKey'>
>;

/** Both parts are asked once for every credential that is answered with, also in getNextAssertion. */
export interface AssertionEffect {
  /** What authenticator data says. */
  readonly output?: (credential: AssertedCredential) => CborValue;
  /** What the member largeBlobKey of the response says. */
  readonly largeBlobKey?: (credential: AssertedCredential) => Uint8Array | undefined;
}

/** The discoverable ones have a little more to tell. */
export type AssertedCredential = CredentialSource & Pick<CredentialAttributes, 'credBlob' | 'largeBlobKey'>;
