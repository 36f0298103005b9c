// ML-DSA where this Node's OpenSSL has none: the portable code, loaded by the first key that needs it.

import { createRequire } from 'node:module';
import { mlDsa } from '../ctap/crypto/ml-dsa.ts';
import type { Signer } from '../ctap/crypto/signer.ts';
import type { CoseAlgorithm } from '../ctap/env.ts';
import { CoseAlg } from '../ctap/wire.ts';

type MlDsa = typeof import('@noble/post-quantum/ml-dsa.js');

// The Crypto port is synchronous, and so has to be the loading.
const load = (): MlDsa => createRequire(import.meta.url)('@noble/post-quantum/ml-dsa.js');

/** The algorithms it has, and what each does; nothing is loaded before a function of theirs is called. */
export const portableMlDsa: ReadonlyMap<CoseAlgorithm, () => Signer> = new Map([
  [CoseAlg['ML-DSA-44'], () => mlDsa(load().ml_dsa44)],
  [CoseAlg['ML-DSA-65'], () => mlDsa(load().ml_dsa65)],
]);
