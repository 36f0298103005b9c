// Credentials whose every byte follows from their id and version, so that a reader can tell a whole one from a torn one.
import { createHash } from 'node:crypto';

/** @param {string} id 32 bytes in hexadecimal @param {number} version from 1; kept in `createdAt` */
export function credentialOf(id, version) {
  const bytes = (/** @type {string} */ what, length = 32) =>
    Uint8Array.from(createHash('shake256', { outputLength: length }).update(`${id} ${version} ${what}`).digest());
  const site = Number.parseInt(id.slice(8, 10), 16) % 5;
  return {
    id: Uint8Array.from(Buffer.from(id, 'hex')),
    rpIdHash: new Uint8Array(32).fill(site),
    algorithm: -7,
    privateKey: bytes('private'),
    publicKey: bytes('public', 65),
    kind: 'device-bound',
    credProtect: 1,
    credRandom: { withUV: bytes('uv'), withoutUV: bytes('up') },
    thirdPartyPayment: false,
    rpId: `site-${site}.example`,
    user: { id: bytes('user', 16), name: `${bytes('name')}`.repeat(version % 3) },
    createdAt: version,
  };
}

/** Numbers below `n` that follow from a seed (mulberry32). @param {number} seed */
export function numbers(seed) {
  let state = seed >>> 0;
  return (/** @type {number} */ n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}
