// thirdPartyPayment: a credential that others than its relying party may start payments with. CTAP 2.2 §12.10.

import { boolean } from '../cbor.ts';
import { Extension as Name } from '../wire.ts';
import type { Extension } from './extension.ts';

/** Is silent in a registration; an assertion answers whether the credential is such a one. */
export const thirdPartyPayment: Extension = {
  name: Name.thirdPartyPayment,
  create({ inputs }) {
    return inputs.optional(Name.thirdPartyPayment, boolean) ? { attributes: { thirdPartyPayment: true } } : {};
  },
  assert({ inputs }) {
    if (!inputs.optional(Name.thirdPartyPayment, boolean)) return {};
    return { output: (credential) => credential.thirdPartyPayment };
  },
};
