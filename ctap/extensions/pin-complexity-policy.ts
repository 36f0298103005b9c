// pinComplexityPolicy: tells the relying parties on the list of setMinPINLength whether PINs must be more than long.
// CTAP 2.2 §12.9.

import { boolean } from '../cbor.ts';
import { Extension as Name } from '../wire.ts';
import type { Extension } from './extension.ts';

export const pinComplexityPolicy: Extension = {
  name: Name.pinComplexityPolicy,
  create({ call, inputs, rpId }) {
    const { device } = call.environment.vault;
    if (!inputs.optional(Name.pinComplexityPolicy, boolean) || !device.minPinLengthRPIDs.includes(rpId)) return {};
    return { output: () => device.pinComplexityPolicy };
  },
};
