// What a transport is to CTAPHID: something that moves 64-byte reports and knows nothing else.

/**
 * The device's end of the cable. One instance can be opened again after `close` (that is what "replug" does).
 * Contract: test/hid/transports/contract.ts.
 */
export interface HidTransport {
  /** For people: `uhid`, `socket:/run/…`, `tcp:127.0.0.1:7000`. */
  readonly name: string;
  /**
   * Resolves when a host can see the device. `onReport` then gets every report of every host: exactly 64 bytes,
   * no report id, owned by the receiver. `onError` is called at most once, if the transport dies by itself.
   * `onAbandoned` is called each time that the last host has closed the device, or let go of it, by transports that can
   * tell: what it had under way is forgotten then, and the device stays open for the next one.
   */
  open(
    onReport: (report: Uint8Array) => void,
    onError: (error: Error) => void,
    onAbandoned?: () => void,
  ): Promise<void>;
  /** Sends one report of 64 bytes to every host. The bytes may be reused once the call has returned. */
  send(report: Uint8Array): Promise<void>;
  /** Resolves when no host sees the device any more. Safe to call twice, and without `open`. */
  close(): Promise<void>;
  /** The last words of a dying process: removes the device at once, synchronously, and never throws. */
  closeNow(): void;
}

/** How the device presents itself to the operating system. */
export interface DeviceIdentity {
  /** Shown in lists of devices; ASCII. */
  readonly productName: string;
  readonly vendorId: number;
  readonly productId: number;
  /** Binary-coded decimal: 0x0100 is 1.00. */
  readonly deviceVersion: number;
  /** Printable ASCII, or udev's rules for other devices stumble over it. */
  readonly serialNumber: string;
}

/** Report size in both directions. CTAPHID §11.2.1.1. */
export const reportSize = 64;

/** What is kept for hosts that are slow to fetch reports: two of the longest messages. As in hidraw, the rest is lost. */
export const maxWaitingReports = 2 * 129;

/** Usage page 0xF1D0, usage 1, 64-byte input and output reports without report id. CTAPHID §11.2.8.2. */
export const fidoReportDescriptor: Uint8Array = Uint8Array.of(
  0x06,
  0xd0,
  0xf1,
  0x09,
  0x01,
  0xa1,
  0x01,
  0x09,
  0x20,
  0x15,
  0x00,
  0x26,
  0xff,
  0x00,
  0x75,
  0x08,
  0x95,
  0x40,
  0x81,
  0x02,
  0x09,
  0x21,
  0x15,
  0x00,
  0x26,
  0xff,
  0x00,
  0x75,
  0x08,
  0x95,
  0x40,
  0x91,
  0x02,
  0xc0,
);
