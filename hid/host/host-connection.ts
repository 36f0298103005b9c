// What the host's end of a cable is to CTAPHID: reports go out, reports come in. The loopback's host end fits it, too.

export interface HostConnection {
  /** Sends one report of 64 bytes. Throws or rejects if the device is gone. */
  send(report: Uint8Array): Promise<void> | void;
  /** Every report of the device, of all its channels; 64 bytes, owned by the listener. */
  onReport(listener: (report: Uint8Array) => void): void;
  /** Called once, when the device is gone or the connection is closed. */
  onClose(listener: () => void): void;
  close(): Promise<void>;
}
