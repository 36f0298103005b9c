// Files that `age` opens: sealed under a passphrase (scrypt) or for recipients. https://age-encryption.org/v1

import { armor, Decrypter, Encrypter } from 'age-encryption';
import { exitCode, UserError } from '../errors.ts';

/** What a file is sealed under: a passphrase, or public keys (`age1…`). */
export type AgeLock = { readonly passphrase: string } | { readonly recipients: readonly string[] };

/** What may open one: a passphrase, or secret keys (`AGE-SECRET-KEY-1…`). */
export type AgeKey = { readonly passphrase: string } | { readonly identities: readonly string[] };

const magic = 'age-encryption.org/';
const armorMagic = '-----BEGIN AGE ENCRYPTED FILE-----';
/** The longest header of interest; one recipient takes about 150 bytes. */
const maxHeaderBytes = 64 * 1024;

/** @param scryptLogN work of the passphrase, 18 unless given: about a second. @throws UserError for a bad recipient */
export async function sealAge(plaintext: Uint8Array, lock: AgeLock, scryptLogN?: number): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  if (scryptLogN !== undefined) encrypter.setScryptWorkFactor(scryptLogN);
  if ('passphrase' in lock) encrypter.setPassphrase(lock.passphrase);
  else for (const recipient of lock.recipients) addRecipient(encrypter, recipient);
  return encrypter.encrypt(plaintext);
}

/** Whether it says of itself that it is an age file, of whichever version. */
export function isAge(file: Uint8Array): boolean {
  const start = Buffer.from(file.subarray(0, armorMagic.length)).toString('latin1');
  return start.startsWith(magic) || start === armorMagic;
}

/** What a file wants to be opened with. @throws UserError if it is of a version that is not known here */
export function lockOf(file: Uint8Array): 'passphrase' | 'identity' {
  return /^-> scrypt /m.test(headerOf(unarmor(file))) ? 'passphrase' : 'identity';
}

/** @throws UserError with the reason: not for this passphrase or identity, damaged, cut short */
export async function openAge(file: Uint8Array, key: AgeKey): Promise<Uint8Array> {
  const binary = unarmor(file);
  const decrypter = new Decrypter();
  if ('passphrase' in key) decrypter.addPassphrase(key.passphrase);
  else for (const identity of key.identities) addIdentity(decrypter, identity);
  try {
    return await decrypter.decrypt(binary);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('no identity matched')) throw doesNotFit(key);
    throw damaged();
  }
}

function addRecipient(encrypter: Encrypter, recipient: string): void {
  try {
    encrypter.addRecipient(recipient);
  } catch {
    throw new UserError(
      `"${recipient}" is no recipient`,
      'expected age1…, as `age-keygen` prints it as the public key',
      exitCode.usage,
    );
  }
}

function addIdentity(decrypter: Decrypter, identity: string): void {
  try {
    decrypter.addIdentity(identity);
  } catch {
    throw new UserError('expected an identity AGE-SECRET-KEY-1…, got something else', undefined, exitCode.usage);
  }
}

function unarmor(file: Uint8Array): Uint8Array {
  const text = Buffer.from(file.subarray(0, armorMagic.length)).toString('latin1');
  if (text !== armorMagic) return file;
  try {
    return armor.decode(Buffer.from(file).toString('latin1'));
  } catch {
    throw damaged();
  }
}

/** The header is text and ends in a line that begins with `---`. */
function headerOf(file: Uint8Array): string {
  const [header = ''] = Buffer.from(file.subarray(0, maxHeaderBytes)).toString('latin1').split('\n---', 1);
  const [version] = header.split('\n', 1);
  if (version === `${magic}v1`) return header;
  throw new UserError(
    `expected an age file of version ${magic}v1, got another`,
    'see whether it is the right file, and whether passfob is up to date',
  );
}

function doesNotFit(key: AgeKey): UserError {
  return 'passphrase' in key
    ? new UserError(
        'wrong passphrase for the file, or its beginning is damaged',
        'try again; upper and lower case matter',
        exitCode.vault,
      )
    : new UserError('the file is sealed for other recipients', 'name the file of the right key', exitCode.vault);
}

function damaged(): UserError {
  return new UserError('the file is damaged or cut short', 'nothing was changed; use another copy of it');
}
