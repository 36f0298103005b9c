// credBlob: a few bytes that a relying party leaves with a discoverable credential. CTAP 2.1 §12.2.

import { boolean, bytes } from '../cbor.ts';
import { Extension as Name } from '../wire.ts';
import type { Extension } from './extension.ts';

/** Answers a registration with whether the bytes are kept, an assertion with the bytes, or none of them. */
export const credBlob: Extension = {
  name: Name.credBlob,
  create({ call, inputs, rk }) {
    const blob = inputs.optional(Name.credBlob, bytes);
    if (!blob) return {};
    if (!rk || blob.length > call.policy.maxCredBlobLength) return { output: () => false };
    return { attributes: { credBlob: blob }, output: () => true };
  },
  assert({ inputs }) {
    if (!inputs.optional(Name.credBlob, boolean)) return {};
    return { output: (credential) => credential.credBlob ?? new Uint8Array() };
  },
};
