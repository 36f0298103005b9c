// ML-DSA for the portable back end. The code itself is handed in, since it is large and most daemons never need it.

import type { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js';
import type { Signer } from './signer.ts';

/** FIPS 204, pure, with an empty context; a private key is the seed of 32 bytes. */
export function mlDsa(algorithm: typeof ml_dsa44): Signer {
  return {
    newPrivateKey: (random) => random(32),
    publicKeyOf: (privateKey) => algorithm.keygen(privateKey).publicKey,
    sign: (privateKey, message, random) =>
      algorithm.sign(message, algorithm.keygen(privateKey).secretKey, { extraEntropy: random(32) }),
    verify: (publicKey, message, signature) => algorithm.verify(signature, message, publicKey),
  };
}
