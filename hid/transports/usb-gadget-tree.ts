// A USB gadget with one HID function, as the kernel wants it described: a tree of folders and files in configfs.
// Documentation/usb/gadget_configfs.rst and Documentation/ABI/testing/configfs-usb-gadget-hid of Linux.

import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { type DeviceIdentity, fidoReportDescriptor, reportSize } from '../transport.ts';
import { TransportError } from '../transport-error.ts';
import { errorCode } from './unix-socket.ts';
import { fidoUsbDevice, usbProductName } from './usb-descriptors.ts';

/** The part of node:fs that is used; tests put a kernel of their own here. */
export type GadgetFiles = Pick<
  typeof nodeFs,
  'mkdirSync' | 'rmdirSync' | 'symlinkSync' | 'unlinkSync' | 'writeFileSync' | 'readFileSync' | 'readdirSync'
>;

const strings = `strings/0x${fidoUsbDevice.language.toString(16)}`;
const hidFunction = 'functions/hid.usb0';
const configuration = `configs/c.${fidoUsbDevice.configurationValue}`;
const link = `${configuration}/hid.usb0`;
/** In the order in which they are made; they are removed the other way round. */
const folders = ['', strings, hidFunction, configuration];

const hints = {
  gadgets:
    'load the kernel module: sudo modprobe usb_f_hid\n' +
    'and if /sys/kernel/config is empty: sudo mount -t configfs none /sys/kernel/config',
  controller:
    'on a Raspberry Pi: dtoverlay=dwc2,dr_mode=peripheral in /boot/firmware/config.txt, then a restart;\n' +
    'most other computers have no USB port that can be a device',
  permission:
    'making a USB gadget takes root; on your vault: sudo env HOME="$HOME" passfob run --transport gadget\n' +
    'as a service: packaging/passfob-gadget.service',
} as const;

export class UsbGadgetTree {
  /** What the gadget is called in configfs, where every gadget of the machine has a name. */
  readonly name: string;
  readonly #root: string;
  readonly #identity: DeviceIdentity;
  readonly #files: GadgetFiles;

  constructor(name: string, identity: DeviceIdentity, root = '/', files: GadgetFiles = nodeFs) {
    this.name = name;
    this.#root = root;
    this.#identity = identity;
    this.#files = files;
  }

  /** Makes the gadget, still unplugged. @throws TransportError with a hint how to mend it; nothing is left then */
  create(): void {
    try {
      for (const folder of folders) this.#files.mkdirSync(this.#path(folder));
      for (const [name, value] of attributes(this.#identity)) this.#files.writeFileSync(this.#path(name), value);
      this.#files.symlinkSync(this.#path(hidFunction), this.#path(link));
    } catch (cause) {
      this.remove();
      throw this.#createError(cause);
    }
  }

  /** Plugs the gadget in: from here on the host at the controller's port sees it. @throws TransportError */
  bind(controller: string): void {
    try {
      this.#files.writeFileSync(this.#path('UDC'), controller);
    } catch (cause) {
      throw errorCode(cause) === 'EBUSY' ? inUse(controller) : failure(`plug the gadget into ${controller}`, cause);
    }
  }

  /** Unplugs and removes the gadget, or what there is of it; this never throws. */
  remove(): void {
    attempt(() => this.#files.writeFileSync(this.#path('UDC'), '\n'));
    attempt(() => this.#files.unlinkSync(this.#path(link)));
    for (const folder of folders.toReversed()) attempt(() => this.#files.rmdirSync(this.#path(folder)));
  }

  /** The device file of the HID function, e.g. `/dev/hidg0`. @throws Error ENOENT while the gadget is not bound */
  deviceFile(): string {
    const number = this.#read(this.#path(`${hidFunction}/dev`));
    const [, name] = /^DEVNAME=(.+)$/m.exec(this.#read(join(this.#root, 'sys/dev/char', number, 'uevent'))) ?? [];
    return join(this.#root, 'dev', name ?? '');
  }

  /**
   * The USB device controller to use: the one that is asked for, or the first that no gadget is bound to.
   * @throws TransportError `no-device` or `in-use`
   */
  chooseController(wanted: string | undefined): string {
    const all = this.#controllers();
    if (wanted !== undefined && all.length > 0 && !this.hasController(wanted)) {
      const hint = `this machine has ${all.join(', ')}`;
      throw new TransportError('no-device', `there is no USB device controller ${wanted}`, { hint });
    }
    const [first] = all;
    if (first === undefined) {
      throw new TransportError('no-device', 'this machine has no USB device controller', { hint: hints.controller });
    }
    const free = all.find((name) => this.#read(join(this.#controllerFolder, name, 'function')) === '');
    if (wanted === undefined && free === undefined) throw inUse(all.join(', '));
    return wanted ?? free ?? first;
  }

  /** Where the kernel keeps, and announces, what the host has made of the device behind a controller. */
  stateFile(controller: string): string {
    return join(this.#controllerFolder, controller, 'state');
  }

  /** `configured` while a host uses the device. USB 2.0 §9.1.1. @throws Error if the controller is gone */
  state(controller: string): string {
    return this.#read(this.stateFile(controller));
  }

  hasController(controller: string): boolean {
    return this.#controllers().includes(controller);
  }

  get #controllerFolder(): string {
    return join(this.#root, 'sys/class/udc');
  }

  #controllers(): string[] {
    try {
      return this.#files.readdirSync(this.#controllerFolder).sort();
    } catch {
      return []; // The folder comes with the kernel module.
    }
  }

  #path(name: string): string {
    return join(this.#root, 'sys/kernel/config/usb_gadget', this.name, name);
  }

  #read(path: string): string {
    return this.#files.readFileSync(path, 'utf8').trim();
  }

  #createError(cause: unknown): TransportError {
    switch (errorCode(cause)) {
      case 'ENOENT':
        return new TransportError('no-device', 'the kernel has no USB gadgets with HID', {
          hint: hints.gadgets,
          cause,
        });
      case 'EACCES':
      case 'EPERM':
        return new TransportError('no-permission', 'cannot make a USB gadget: permission denied', {
          hint: hints.permission,
          cause,
        });
      default:
        return failure(`make the gadget ${this.name}`, cause);
    }
  }
}

/** The files of the tree and what is written to them; the folders make them exist. */
function attributes(identity: DeviceIdentity): [name: string, value: string | Uint8Array][] {
  return [
    ['bcdUSB', hex16(fidoUsbDevice.usbVersion)],
    ['idVendor', hex16(identity.vendorId)],
    ['idProduct', hex16(identity.productId)],
    ['bcdDevice', hex16(identity.deviceVersion)],
    [`${strings}/manufacturer`, fidoUsbDevice.manufacturer],
    [`${strings}/product`, usbProductName(identity)],
    [`${strings}/serialnumber`, identity.serialNumber],
    [`${hidFunction}/subclass`, '0'],
    [`${hidFunction}/protocol`, '0'],
    [`${hidFunction}/report_length`, String(reportSize)],
    [`${hidFunction}/report_desc`, fidoReportDescriptor],
    [`${configuration}/bmAttributes`, hex(fidoUsbDevice.attributes, 2)],
    [`${configuration}/MaxPower`, String(fidoUsbDevice.maxPowerMilliamps)],
  ];
}

const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;
const hex16 = (value: number) => hex(value, 4);

function attempt(act: () => void): void {
  try {
    act();
  } catch {}
}

function inUse(controllers: string): TransportError {
  return new TransportError('in-use', `another gadget is bound to ${controllers}`, {
    hint: 'ls /sys/kernel/config/usb_gadget shows the gadgets there are; a port carries one at a time',
  });
}

/** What the system refused, and why. */
export function failure(doing: string, cause: unknown): TransportError {
  return new TransportError('io', `cannot ${doing}: ${cause instanceof Error ? cause.message : cause}`, { cause });
}
