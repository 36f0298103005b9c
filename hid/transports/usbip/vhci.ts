// Attaches the key to this machine's own kernel, without the usbip tool: a connection to the server is handed over to
// the kernel's virtual host controller (vhci-hcd), which goes on with it by itself.
//
// From then on the kernel holds the connection's one end, the server the other: when the daemon ends, however it ends,
// the server's end is closed, and the kernel takes the device away.

import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TransportError } from '../../transport-error.ts';
import type { UsbIpAddress } from '../address.ts';
import { errorCode } from '../unix-socket.ts';
import { decodeImportStatus, deviceId, encodeImportRequest, fullSpeed, ImportStatus, importReplySize } from './wire.ts';

/** The kernel's first controller; its attach file serves all of them. */
const controllerPath = 'devices/platform/vhci_hcd.0';

/** VDEV_ST_NULL and VDEV_ST_USED of the kernel's usbip_common.h: nothing in the port; a device with an address. */
const PortState = { FREE: 4, USED: 6 } as const;

/** Time for the kernel to enumerate a device, or to take it away, on a slow machine. */
const kernelPatienceMs = 30_000;
const pollMs = 10;

const hint =
  'load the kernel module and let this user attach devices:\n' +
  "sudo sh -c 'modprobe vhci-hcd && chown $SUDO_UID /sys/devices/platform/vhci_hcd.0/attach " +
  "/sys/devices/platform/vhci_hcd.0/detach'";

export interface PortStatus {
  readonly port: number;
  readonly isHighSpeed: boolean;
  readonly state: number;
  /** `1-1`; of meaning once the state is USED. */
  readonly busId: string;
}

export interface VhciAttachment {
  /** Resolves when programs can open the device. @throws TransportError if the kernel does not get that far */
  untilBound(): Promise<void>;
  /** Resolves when no program sees the device any more. */
  detach(): Promise<void>;
  /** Tells the kernel to take the device away; never throws. */
  detachNow(): void;
}

/**
 * Hands a connection to the USB/IP server at `address` over to the kernel; `root` holds sysfs as `sys`, and `dev`.
 * @throws TransportError `no-device` without vhci-hcd, `no-permission`, `in-use` if all ports or the key are taken
 */
export async function attachToVhci(address: UsbIpAddress, root = '/'): Promise<VhciAttachment> {
  const controller = join(root, 'sys', controllerPath);
  requireAccess(join(controller, 'attach'));
  const socket = await importDevice(address);
  try {
    return new Attachment(root, handOver(socket, controller));
  } finally {
    // The kernel has a reference of its own. Before anything else happens: the kernel now reads from this connection.
    socket.destroy();
  }
}

/** Reads a status file of vhci-hcd: hub, port, state, speed, device id, socket, bus id in columns below a header. */
export function readPorts(status: string): PortStatus[] {
  return status
    .split('\n')
    .map((line) => /^(hs|ss)\s+(\d+)\s+(\d+)\s+\d+\s+\w+\s+\d+\s+(\S+)/.exec(line) ?? [])
    .flatMap(([, hub, port, state, busId]) =>
      busId === undefined ? [] : [{ port: Number(port), isHighSpeed: hub === 'hs', state: Number(state), busId }],
    );
}

class Attachment implements VhciAttachment {
  readonly #root: string;
  readonly #controller: string;
  readonly #port: number;
  /** The device's folder in sysfs, once it is known. */
  #deviceFolder: string | undefined;

  constructor(root: string, port: number) {
    this.#root = root;
    this.#controller = join(root, 'sys', controllerPath);
    this.#port = port;
  }

  async untilBound(): Promise<void> {
    if (await until(() => this.#isBound())) return;
    throw new TransportError('io', `the kernel does not show the key, which is in port ${this.#port} of vhci-hcd`, {
      hint: 'the kernel says why: sudo dmesg | tail',
    });
  }

  async detach(): Promise<void> {
    this.detachNow();
    const folder = this.#deviceFolder;
    await until(() => this.#status()?.state === PortState.FREE && (folder === undefined || !existsSync(folder)));
  }

  detachNow(): void {
    try {
      writeFileSync(join(this.#controller, 'detach'), String(this.#port));
    } catch {} // It is detached already, or the module is gone.
  }

  #status(): PortStatus | undefined {
    return listPorts(this.#controller).find(({ port }) => port === this.#port);
  }

  /** usbhid has it, and its device file is there. */
  #isBound(): boolean {
    const status = this.#status();
    if (status?.state !== PortState.USED) return false;
    this.#deviceFolder = join(this.#root, 'sys/bus/usb/devices', status.busId);
    const nodes = hidrawNames(join(this.#deviceFolder, `${status.busId}:1.0`));
    return nodes.some((name) => existsSync(join(this.#root, 'dev', name)));
  }
}

function requireAccess(attachFile: string): void {
  try {
    accessSync(attachFile, constants.W_OK);
  } catch (cause) {
    throw attachError(attachFile, cause);
  }
}

function attachError(attachFile: string, cause: unknown): TransportError {
  const problem = (text: string) => `cannot attach the key: ${text}`;
  switch (errorCode(cause)) {
    case 'ENOENT':
      return new TransportError('no-device', problem('the kernel module vhci-hcd is not loaded'), { hint, cause });
    case 'EACCES':
      return new TransportError('no-permission', problem(`permission denied on ${attachFile}`), { hint, cause });
    case 'EROFS':
    case 'EPERM':
      return new TransportError('no-permission', problem('/sys is read-only here'), {
        hint: 'a container has the kernel of its host: attach on the host, see docs/transports.md',
        cause,
      });
    default:
      return new TransportError('io', problem(cause instanceof Error ? cause.message : String(cause)), { cause });
  }
}

/** Connects to the server and imports the device; the connection that comes back is at the first transfer. */
function importDevice({ host, port }: UsbIpAddress): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (code: 'in-use' | 'io', text: string) => {
      socket.destroy();
      reject(new TransportError(code, `cannot attach the key: ${text}`));
    };
    // For the kernel's commands, which are small and follow one another: none waits for the acknowledgement of another.
    const socket = connect({ host, port, noDelay: true }, () => socket.write(encodeImportRequest()));
    let reply = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      reply = Buffer.concat([reply, chunk]);
      if (reply.length >= 8 && decodeImportStatus(reply) !== ImportStatus.OK) fail('in-use', 'another host has it');
      else if (reply.length === importReplySize) resolve(socket);
    });
    socket.once('error', ({ message }) => fail('io', message));
    socket.once('end', () => fail('io', 'the server closed the connection'));
  });
}

/** Writes the connection's descriptor into the attach file. Returns the port. @throws TransportError */
function handOver(socket: Socket, controller: string): number {
  // Nothing documented tells a socket's descriptor.
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const attachFile = join(controller, 'attach');
  for (const { port, isHighSpeed, state } of listPorts(controller)) {
    if (!isHighSpeed || state !== PortState.FREE) continue;
    try {
      writeFileSync(attachFile, `${port} ${fd} ${deviceId} ${fullSpeed}`);
      return port;
    } catch (cause) {
      if (errorCode(cause) === 'EBUSY') continue; // Another was faster.
      throw attachError(attachFile, cause);
    }
  }
  throw new TransportError('in-use', 'cannot attach the key: all ports of vhci-hcd are taken', {
    hint: '`usbip port` lists them, `sudo usbip detach -p PORT` frees one',
  });
}

/** The ports of all controllers: `status`, `status.1` and so on. */
function listPorts(controller: string): PortStatus[] {
  try {
    const files = readdirSync(controller).filter((name) => /^status(\.\d+)?$/.test(name));
    return files.flatMap((name) => readPorts(readFileSync(join(controller, name), 'latin1')));
  } catch {
    return []; // The module was removed.
  }
}

function hidrawNames(interfaceFolder: string): string[] {
  try {
    return readdirSync(interfaceFolder).flatMap((name) => {
      const folder = join(interfaceFolder, name, 'hidraw');
      return existsSync(folder) ? readdirSync(folder) : [];
    });
  } catch {
    return []; // It is being made, or went away.
  }
}

/** Looks again and again, since sysfs tells nobody of changes. Resolves to whether it came true in time. */
async function until(isTrue: () => boolean): Promise<boolean> {
  const deadline = performance.now() + kernelPatienceMs;
  while (!isTrue()) {
    if (performance.now() > deadline) return false;
    await delay(pollMs);
  }
  return true;
}
