// credProtect: under which conditions a credential may be used, or even noticed. CTAP 2.1 §12.1.

import { unsigned } from '../cbor.ts';
import type { CredentialSource, CredProtect } from '../env.ts';
import { CtapError } from '../status.ts';
import { Extension as Name } from '../wire.ts';
import type { Extension } from './extension.ts';

const levels: readonly CredProtect[] = [1, 2, 3];

/** Takes a level, and answers with it. A number that is no level is refused. docs/spec-decisions.md. */
export const credProtect: Extension = {
  name: Name.credProtect,
  create({ inputs }) {
    const wanted = inputs.optional(Name.credProtect, unsigned);
    if (wanted === undefined) return {};
    const level = levels.find((candidate) => candidate === wanted);
    if (level === undefined) throw new CtapError('INVALID_PARAMETER');
    return { attributes: { credProtect: level }, output: () => level };
  },
};

/**
 * Whether a command may act on a credential: without user verification level 2 asks for the credential's id, and
 * level 3 hides it altogether. CTAP 2.1 §6.1.2 step 12, §6.2.2 step 7; U2F never verifies a user.
 */
export function isUsable(
  credential: Pick<CredentialSource, 'credProtect'>,
  { userVerified, named }: { readonly userVerified: boolean; readonly named: boolean },
): boolean {
  return userVerified || credential.credProtect <= (named ? 2 : 1);
}
