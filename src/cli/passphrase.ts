// The vault's passphrase, from a file or the terminal.

import { UserError } from '../errors.ts';
import { askSecrets, readSecretFile, type SecretKind } from './secret.ts';

const passphraseKind: SecretKind = {
  name: 'passphrase',
  hint: 'give --passphrase-file FILE or set PASSFOB_PASSPHRASE_FILE',
};

/** The vault's passphrase from `file`, or asked for on the terminal. @throws UserError */
export async function readPassphrase(file: string | undefined, question = 'Passphrase: '): Promise<string> {
  if (file !== undefined) return readSecretFile(file, passphraseKind);
  const [passphrase = ''] = await askSecrets([question], passphraseKind);
  return passphrase;
}

/** A new passphrase: from `file`, or asked for twice. @throws UserError */
export async function readNewPassphrase(file: string | undefined, kind = passphraseKind): Promise<string> {
  if (file !== undefined) return readSecretFile(file, kind);
  const [passphrase = '', again] = await askSecrets([`New ${kind.name}: `, 'Once more: '], kind);
  if (passphrase === '') throw new UserError(`the ${kind.name} is empty`, 'choose one that you can remember');
  if (passphrase !== again) {
    throw new UserError('the two passphrases differ', 'nothing was made; try again');
  }
  return passphrase;
}
