// minPinLength: tells the relying parties on the list of setMinPINLength how long a PIN must be. CTAP 2.1 §12.4.

import { boolean } from '../cbor.ts';
import { Extension as Name } from '../wire.ts';
import type { Extension } from './extension.ts';

export const minPinLength: Extension = {
  name: Name.minPinLength,
  create({ call, inputs, rpId }) {
    const { minPINLength, minPinLengthRPIDs } = call.environment.vault.device;
    if (!inputs.optional(Name.minPinLength, boolean) || !minPinLengthRPIDs.includes(rpId)) return {};
    return { output: () => minPINLength };
  },
};
