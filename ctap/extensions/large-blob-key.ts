// largeBlobKey: the key under which a platform encrypts a credential's element of the large-blob array. It stands
// beside authenticator data, not in it. CTAP 2.1 §12.3.

import { boolean, type MapReader } from '../cbor.ts';
import { CtapError } from '../status.ts';
import { Extension as Name } from '../wire.ts';
import type { Extension } from './extension.ts';

export const largeBlobKey: Extension = {
  name: Name.largeBlobKey,
  create({ call, inputs, rk }) {
    if (!isWanted(inputs)) return {};
    if (!rk) throw new CtapError('INVALID_OPTION');
    return { attributes: { largeBlobKey: call.environment.crypto.randomBytes(32) } };
  },
  assert({ inputs }) {
    return isWanted(inputs) ? { largeBlobKey: (credential) => credential.largeBlobKey } : {};
  },
};

/** Unlike elsewhere, a false is not the same as none at all. */
function isWanted(inputs: MapReader): boolean {
  const wanted = inputs.optional(Name.largeBlobKey, boolean);
  if (wanted === false) throw new CtapError('INVALID_OPTION');
  return wanted === true;
}
