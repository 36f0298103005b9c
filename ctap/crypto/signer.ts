// What the portable back end has for each signature algorithm.

/** Random bytes of this length. */
export type Random = (length: number) => Uint8Array;

export interface Signer {
  newPrivateKey(random: Random): Uint8Array;
  publicKeyOf(privateKey: Uint8Array): Uint8Array;
  sign(privateKey: Uint8Array, message: Uint8Array, random: Random): Uint8Array;
  /** May throw where the key or the signature is none. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
