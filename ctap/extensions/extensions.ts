// The table of extensions, and the two places where they join in: makeCredential and getAssertion. Unknown extensions,
// and those that the policy has switched off, are ignored. CTAP 2.1 §12; WebAuthn §9.

import { type CborKey, type CborMap, type CborValue, MapReader, map } from '../cbor.ts';
import type { CredRandom } from '../env.ts';
import type { Policy } from '../policy.ts';
import type { ExtensionName } from '../wire.ts';
import { credBlob } from './cred-blob.ts';
import { credProtect } from './cred-protect.ts';
import type {
  AssertedCredential,
  AssertionRequest,
  CreationRequest,
  CredentialAttributes,
  Extension,
} from './extension.ts';
import { hmacSecret, hmacSecretMc } from './hmac-secret.ts';
import { largeBlobKey } from './large-blob-key.ts';
import { minPinLength } from './min-pin-length.ts';
import { pinComplexityPolicy } from './pin-complexity-policy.ts';
import { thirdPartyPayment } from './third-party-payment.ts';

/** In the order in which they are processed, so that the first error of several is always the same. */
const extensions: readonly Extension[] = [
  credBlob,
  credProtect,
  hmacSecret,
  hmacSecretMc,
  largeBlobKey,
  minPinLength,
  pinComplexityPolicy,
  thirdPartyPayment,
];

/** A registration with extensions. */
export interface ExtendedCreation {
  /** What the credential keeps. */
  readonly attributes: CredentialAttributes & Required<Pick<CredentialAttributes, 'credProtect' | 'thirdPartyPayment'>>;
  /** For authenticator data; undefined if no extension has an output. */
  outputs(credRandom: CredRandom): CborMap | undefined;
}

/** An assertion with extensions; answers for each credential anew. */
export interface ExtendedAssertion {
  /** For authenticator data; undefined if no extension has an output. */
  outputs(credential: AssertedCredential): CborMap | undefined;
  /** For the member largeBlobKey of the response, 32 bytes. */
  largeBlobKey(credential: AssertedCredential): Uint8Array | undefined;
}

/** The inputs of the extensions by their names, under `key` of a request. @throws CtapError CBOR_UNEXPECTED_TYPE. */
export function readExtensions(parameters: MapReader, key: CborKey): MapReader {
  return parameters.optional(key, map) ?? new MapReader(new Map(), 'CBOR_UNEXPECTED_TYPE');
}

/** CTAP 2.1 §6.1.2 step 15, all but the output. @throws CtapError if an extension refuses its input. */
export function extendCreation(request: CreationRequest): ExtendedCreation {
  const effects = enabled(request.call.policy).map((extension) => ({
    name: extension.name,
    ...extension.create(request),
  }));
  let attributes: ExtendedCreation['attributes'] = { credProtect: 1, thirdPartyPayment: false };
  for (const effect of effects) attributes = { ...attributes, ...effect.attributes };
  return {
    attributes,
    outputs: (credRandom) => collect(effects.map(({ name, output }) => [name, output?.(credRandom)])),
  };
}

/** CTAP 2.1 §6.2.2 step 10, all but the output. @throws CtapError if an extension refuses its input. */
export function extendAssertion(request: AssertionRequest): ExtendedAssertion {
  const effects = enabled(request.call.policy).map((extension) => ({
    name: extension.name,
    ...extension.assert?.(request),
  }));
  return {
    outputs: (credential) => collect(effects.map(({ name, output }) => [name, output?.(credential)])),
    largeBlobKey: (credential) => effects.find((effect) => effect.largeBlobKey)?.largeBlobKey?.(credential),
  };
}

function enabled({ extensions: names }: Policy): readonly Extension[] {
  return extensions.filter(({ name }) => names.includes(name));
}

function collect(outputs: [ExtensionName, CborValue | undefined][]): CborMap | undefined {
  const given = outputs.filter(([, output]) => output !== undefined);
  return given.length > 0 ? new Map(given) : undefined;
}
