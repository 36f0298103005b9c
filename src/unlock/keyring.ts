// The desktop's keyring (Secret Service): it keeps the secret of a slot and gives it back while its user is logged in.

import type { AsyncEntry } from '@napi-rs/keyring';
import { VaultError } from '../../store/vault.ts';

/** What keeps secrets of slots, by slot id; a fake in tests. */
export interface Keyring {
  get(slotId: string): Promise<Uint8Array | undefined>;
  set(slotId: string, secret: Uint8Array): Promise<void>;
  delete(slotId: string): Promise<void>;
}

/** The keyring of this session. Its calls throw VaultError `no-access` where no Secret Service answers. */
export const desktopKeyring: Keyring = {
  async get(slotId) {
    const question = questions.get(slotId) ?? ask(slotId);
    const secret = await question;
    // Others may wait for the same answer.
    return secret && Uint8Array.from(secret);
  },
  set: (slotId, secret) => withEntry(slotId, (entry) => entry.setSecret(secret)),
  delete: (slotId) =>
    withEntry(slotId, async (entry) => {
      await entry.deleteCredential();
    }),
};

/** Each holds a thread of Node's pool until somebody answers at the desktop: nobody asks for the same a second time. */
const questions = new Map<string, Promise<Uint8Array | undefined>>();

function ask(slotId: string): Promise<Uint8Array | undefined> {
  const question = withEntry(slotId, async (entry) => {
    const secret = await entry.getSecret();
    if (secret === null) return undefined;
    const copy = Uint8Array.from(secret);
    secret.fill(0);
    return copy;
  });
  questions.set(slotId, question);
  const end = (secret?: Uint8Array) => {
    questions.delete(slotId);
    setImmediate(() => secret?.fill(0));
  };
  question.then(end, () => end());
  return question;
}

async function withEntry<T>(slotId: string, use: (entry: AsyncEntry) => Promise<T>): Promise<T> {
  try {
    const keyring = await import('@napi-rs/keyring');
    // Not the kernel's keyring, which forgets everything when the machine is switched off.
    return await use(new keyring.AsyncEntry('passfob', `vault slot ${slotId}`, { linux: { store: 'secret-service' } }));
  } catch (cause) {
    throw refusal(cause);
  }
}

/** A keyring that is locked asks its user itself; this comes where that was declined, or nobody could be asked. */
function refusal(cause: unknown): VaultError {
  const isLocked = cause instanceof Error && /unlock|locked/i.test(cause.message);
  return isLocked
    ? new VaultError('no-access', "the desktop's keyring is locked", {
        cause,
        hint: 'log in to the desktop with your password, or unlock the keyring there',
      })
    : new VaultError('no-access', "the desktop's keyring does not answer", {
        cause,
        hint: 'it needs a Secret Service, such as GNOME Keyring or KeePassXC, and a session bus',
      });
}
