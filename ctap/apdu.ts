// Command APDUs of U2F, in the short and the extended encoding, and the status words of their answers.
// FIDO U2F Raw Message Formats §3; ISO 7816-4 §5.

export const StatusWord = {
  SW_NO_ERROR: 0x9000,
  SW_WRONG_LENGTH: 0x6700,
  SW_CONDITIONS_NOT_SATISFIED: 0x6985,
  SW_COMMAND_NOT_ALLOWED: 0x6986,
  SW_WRONG_DATA: 0x6a80,
  SW_INCORRECT_P1P2: 0x6a86,
  SW_INS_NOT_SUPPORTED: 0x6d00,
  SW_CLA_NOT_SUPPORTED: 0x6e00,
  SW_UNKNOWN: 0x6f00,
} as const;

export type StatusWordName = keyof typeof StatusWord;

/**
 * The data field of a command APDU, which begins after its four bytes of header:
 *   nothing · Le · Lc data [Le] · 00 Le(2) · 00 Lc(2) data [Le(2)]
 * What the host expects back (Le) is of no interest, as CTAPHID carries any length. Undefined if lengths do not fit.
 */
export function apduData(apdu: Uint8Array): Uint8Array | undefined {
  const body = apdu.subarray(4);
  const [first = 0, high = 0, low = 0] = body;
  const extended = first === 0 && body.length >= 3;
  const [start, le] = extended ? [3, 2] : [1, 1];
  if (body.length <= start) return new Uint8Array(0);
  const end = start + (extended ? high * 256 + low : first);
  return body.length === end || body.length === end + le ? body.subarray(start, end) : undefined;
}
