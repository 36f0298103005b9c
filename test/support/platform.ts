// An independent client of CTAP2 and U2F: the referee of the tests. It shares nothing with the project, not even the
// CBOR code, and knows only what the specifications say. Requests are plain bytes, answers are taken apart and verified
// with node:crypto.

export * from './platform/cbor.ts';
export * from './platform/ceremonies.ts';
export * from './platform/messages.ts';
export * from './platform/pin-protocols.ts';
export * from './platform/public-key.ts';
export * from './platform/u2f.ts';
