// hmac-secret and hmac-secret-mc: secrets that a credential derives from salts, on their way encrypted between
// authenticator and platform. CTAP 2.1 §12.5, CTAP 2.2 §12.8.

import { concatBytes } from '@noble/hashes/utils.js';
import type { Call } from '../call.ts';
import { boolean, bytes, integer, type MapReader, map, parameterMap } from '../cbor.ts';
import type { CredRandom } from '../env.ts';
import { CtapError } from '../status.ts';
import { HmacSecretInput as Input, Extension as Name } from '../wire.ts';
import type { Extension } from './extension.ts';

/** Every credential can do it, asked for or not. */
export const hmacSecret: Extension = {
  name: Name.hmacSecret,
  create({ inputs }) {
    return inputs.optional(Name.hmacSecret, boolean) ? { output: () => true } : {};
  },
  assert({ call, inputs, up, userVerified }) {
    const input = inputs.optional(Name.hmacSecret, parameterMap);
    if (!input) return {};
    if (!up) throw new CtapError('UNSUPPORTED_OPTION');
    const derive = readSalts(call, input, userVerified);
    return { output: ({ credRandom }) => derive(credRandom) };
  },
};

/** What hmac-secret would answer to the same salts in an assertion, already in the registration. */
export const hmacSecretMc: Extension = {
  name: Name.hmacSecretMc,
  create({ call, inputs, userVerified }) {
    const input = inputs.optional(Name.hmacSecretMc, parameterMap);
    if (!input) return {};
    if (!inputs.optional(Name.hmacSecret, boolean)) throw new CtapError('MISSING_PARAMETER');
    return { output: readSalts(call, input, userVerified) };
  },
};

/**
 * Decrypts one or two salts, 32 bytes each; gives back how to derive a credential's secrets from them, encrypted.
 * @throws CtapError MISSING_PARAMETER, INVALID_PARAMETER; PIN_AUTH_INVALID if saltAuth does not fit.
 */
function readSalts(call: Call, input: MapReader, userVerified: boolean): (credRandom: CredRandom) => Uint8Array {
  const { crypto } = call.environment;
  const keyAgreement = input.required(Input.keyAgreement, map);
  const saltEnc = input.required(Input.saltEnc, bytes);
  const saltAuth = input.required(Input.saltAuth, bytes);
  const protocol = call.session.pinUvAuth.protocol(input.optional(Input.pinUvAuthProtocol, integer) ?? 1);
  const secret = protocol.decapsulate(keyAgreement);
  if (!secret.verify(saltEnc, saltAuth)) throw new CtapError('PIN_AUTH_INVALID');
  const salts = secret.decrypt(saltEnc);
  if (salts?.length !== 32 && salts?.length !== 64) throw new CtapError('INVALID_PARAMETER');
  const derive = (key: Uint8Array) => [
    crypto.hmacSha256(key, salts.subarray(0, 32)),
    ...(salts.length === 64 ? [crypto.hmacSha256(key, salts.subarray(32))] : []),
  ];
  return ({ withUV, withoutUV }) => secret.encrypt(concatBytes(...derive(userVerified ? withUV : withoutUV)));
}
