// The numbers of CTAPHID: commands, error codes, sizes, channel ids, times. CTAP 2.1 §11.2.

/** Commands without the bit that marks an initialization packet. CTAP 2.1 §11.2.9. */
export const Command = {
  PING: 0x01,
  MSG: 0x03,
  LOCK: 0x04,
  INIT: 0x06,
  WINK: 0x08,
  CBOR: 0x10,
  CANCEL: 0x11,
  KEEPALIVE: 0x3b,
  ERROR: 0x3f,
} as const;

/** The one payload byte of CTAPHID_ERROR. CTAP 2.1 §11.2.9.1.6. */
export const ErrorCode = {
  INVALID_CMD: 0x01,
  INVALID_PAR: 0x02,
  INVALID_LEN: 0x03,
  INVALID_SEQ: 0x04,
  MSG_TIMEOUT: 0x05,
  CHANNEL_BUSY: 0x06,
  LOCK_REQUIRED: 0x0a,
  INVALID_CHANNEL: 0x0b,
  OTHER: 0x7f,
} as const;

/** The one payload byte of CTAPHID_KEEPALIVE. CTAP 2.1 §11.2.9.1.7. */
export const KeepaliveStatus = { PROCESSING: 0x01, UPNEEDED: 0x02 } as const;

/** Bits of the last byte of the answer to CTAPHID_INIT. CTAP 2.1 §11.2.9.1.3. */
export const Capability = { WINK: 0x01, CBOR: 0x04, NMSG: 0x08 } as const;

/** The channel on which a host asks for one of its own; CTAPHID_INIT is all that may be sent there. */
export const broadcastChannel = 0xffffffff;

/** Never given out, never answered but with an error. */
export const reservedChannel = 0x00000000;

export const protocolVersion = 0x02;

/** Data bytes in an initialization packet: the report without channel (4), command (1) and length (2). */
export const initDataSize = 57;

/** Data bytes in a continuation packet: the report without channel (4) and sequence number (1). */
export const continuationDataSize = 59;

/** The longest message: one initialization packet and 128 continuation packets. */
export const maxMessageSize = initDataSize + 128 * continuationDataSize;

export const nonceSize = 8;

/** An INIT answer: nonce (8), channel (4), protocol version, major, minor, build, capabilities. */
export const initAnswerSize = 17;

/** The longest that CTAPHID_LOCK may ask for. */
export const maxLockSeconds = 10;
