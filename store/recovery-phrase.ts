// The recovery phrase: 256 random bits as 24 words (BIP-39, English list), to be written down on paper. Its checksum
// finds most slips of the pen before any slot is tried. No word of a phrase ever enters a message.

import { randomBytes } from 'node:crypto';
import { VaultError } from './vault-error.ts';

const wordCount = 24;

/** A new phrase: 24 words, one space between them. */
export async function newRecoveryPhrase(): Promise<string> {
  const { bip39, wordlist } = await loadWords();
  const entropy = randomBytes(32);
  try {
    return bip39.entropyToMnemonic(entropy, wordlist);
  } finally {
    entropy.fill(0);
  }
}

/** Whether a text is so many words as a recovery phrase has. */
export function looksLikeRecoveryPhrase(text: string): boolean {
  return wordsOf(text).length === wordCount;
}

/**
 * The 32 bytes that the words stand for; case and the space between words do not matter.
 * @throws VaultError `wrong-phrase` that says where the slip is.
 */
export async function decodeRecoveryPhrase(phrase: string): Promise<Uint8Array> {
  const words = wordsOf(phrase);
  if (words.length !== wordCount) throw slip(`a recovery phrase has ${wordCount} words, got ${words.length}`);
  const { bip39, wordlist } = await loadWords();
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown >= 0) throw slip(`word ${unknown + 1} of the recovery phrase is not a word of its list`);
  try {
    return bip39.mnemonicToEntropy(words.join(' '), wordlist);
  } catch {
    throw slip('the words of the recovery phrase do not fit together: two are swapped, or one is another word');
  }
}

function wordsOf(phrase: string): string[] {
  return phrase.normalize('NFKD').toLowerCase().split(/\s+/).filter(Boolean);
}

function slip(message: string): VaultError {
  return new VaultError('wrong-phrase', message);
}

/** Loaded only where a phrase is used: the list has 2,048 words. */
async function loadWords() {
  const [bip39, { wordlist }] = await Promise.all([
    import('@scure/bip39'),
    import('@scure/bip39/wordlists/english.js'),
  ]);
  return { bip39, wordlist };
}
