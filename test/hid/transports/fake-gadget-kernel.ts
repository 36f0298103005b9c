// What the kernel does behind configfs and /dev/hidgN, as far as one gadget goes: a folder that refuses what configfs
// refuses, and streams that end at hosts. The names are those that Linux 6.1 shows.

import * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { Duplex } from 'node:stream';
import type { HostConnection } from '../../../hid/host/host-connection.ts';
import type { DeviceIdentity } from '../../../hid/transport.ts';
import type { GadgetSystem } from '../../../hid/transports/usb-gadget.ts';
import { type GadgetFiles, UsbGadgetTree } from '../../../hid/transports/usb-gadget-tree.ts';

/** What configfs puts into a folder that is made in the folder of this name. */
const contents: Record<string, { files: readonly string[]; folders: readonly string[] }> = {
  usb_gadget: {
    files: [
      'UDC',
      'bDeviceClass',
      'bDeviceProtocol',
      'bDeviceSubClass',
      'bMaxPacketSize0',
      'bcdDevice',
      'bcdUSB',
    ].concat(['idProduct', 'idVendor', 'max_speed']),
    folders: ['configs', 'functions', 'os_desc', 'strings'],
  },
  strings: { files: ['manufacturer', 'product', 'serialnumber'], folders: [] },
  configs: { files: ['MaxPower', 'bmAttributes'], folders: ['strings'] },
  functions: { files: ['dev', 'no_out_endpoint', 'protocol', 'report_desc', 'report_length', 'subclass'], folders: [] },
};

export class FakeGadgetKernel implements GadgetSystem {
  readonly root = nodeFs.mkdtempSync(join(tmpdir(), 'passfob-gadget-'));
  /** What was done to configfs, in order: `mkdir passfob-X/configs/c.1`. */
  readonly operations: string[] = [];
  /** Whether the host collects the reports of the device. */
  #collects = true;
  #uncollected: (() => void)[] = [];
  readonly #hosts = new Map<object, { receive: (report: Uint8Array) => void; unplug: () => void }>();
  readonly #watchers = new Set<() => void>();
  readonly streams: Duplex[] = [];
  /** Makes the next file operation on this path fail. */
  failing: { path: string; code: string } | undefined;

  constructor(...controllers: string[]) {
    nodeFs.mkdirSync(this.#gadgets, { recursive: true });
    nodeFs.mkdirSync(this.path('sys/dev/char/245:0'), { recursive: true });
    nodeFs.mkdirSync(this.path('dev'));
    nodeFs.writeFileSync(this.path('sys/dev/char/245:0/uevent'), 'MAJOR=245\nMINOR=0\nDEVNAME=hidg0\n');
    for (const name of controllers) {
      nodeFs.mkdirSync(this.path('sys/class/udc', name), { recursive: true });
      this.#set(name, 'function', '');
      this.#set(name, 'state', 'not attached');
    }
  }

  path(...names: string[]): string {
    return join(this.root, ...names);
  }

  get #gadgets(): string {
    return this.path('sys/kernel/config/usb_gadget');
  }

  get gadgets(): string[] {
    return nodeFs.readdirSync(this.#gadgets);
  }

  /** Everything that was written, by path within the gadget; a link shows where it leads. */
  writtenTree(gadget: string): Record<string, string> {
    const top = join(this.#gadgets, gadget);
    const entries = nodeFs.readdirSync(top, { recursive: true, withFileTypes: true }).flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      if (entry.isSymbolicLink()) return [[relative(top, path), `→ ${relative(top, nodeFs.readlinkSync(path))}`]];
      const text = entry.isFile() ? nodeFs.readFileSync(path, 'latin1') : '';
      return text === '' ? [] : [[relative(top, path), text]];
    });
    return Object.fromEntries(entries) as Record<string, string>;
  }

  // --- GadgetSystem ---

  tree(name: string, identity: DeviceIdentity): UsbGadgetTree {
    return new UsbGadgetTree(name, identity, this.root, this.#files);
  }

  watch(path: string, onChange: () => void): { close(): void } {
    nodeFs.statSync(path);
    this.#watchers.add(onChange);
    return { close: () => void this.#watchers.delete(onChange) };
  }

  openStream(path: string): Duplex {
    nodeFs.statSync(path);
    const stream = new Duplex({
      read: () => undefined,
      write: (report: Uint8Array, _encoding, done) => {
        const collect = () => {
          for (const host of this.#hosts.values()) host.receive(Uint8Array.from(report));
          done();
        };
        if (this.#collects) collect();
        else this.#uncollected.push(collect);
      },
    });
    stream.on('close', () => this.streams.splice(this.streams.indexOf(stream), 1));
    this.streams.push(stream);
    return stream;
  }

  // --- the host ---

  async connect(): Promise<HostConnection> {
    const host = {};
    const reports: ((report: Uint8Array) => void)[] = [];
    const closes: (() => void)[] = [];
    this.#hosts.set(host, {
      receive: (bytes) => {
        for (const listener of reports) listener(bytes);
      },
      unplug: () => {
        for (const listener of closes) listener();
      },
    });
    return {
      send: (bytes) => this.write(bytes),
      onReport: (listener) => void reports.push(listener),
      onClose: (listener) => void closes.push(listener),
      close: async () => void this.#hosts.delete(host),
    };
  }

  /** A packet of the host. */
  write(packet: Uint8Array): void {
    this.streams.at(-1)?.push(Buffer.from(packet));
  }

  stopCollecting(): void {
    this.#collects = false;
  }

  collectAgain(): void {
    this.#collects = true;
    for (const collect of this.#uncollected.splice(0)) collect();
  }

  /** What the kernel does when a host makes something else of the device. */
  changeState(controller: string, state: string): void {
    this.#set(controller, 'state', state);
    for (const onChange of this.#watchers) onChange();
  }

  removeController(controller: string): void {
    nodeFs.rmSync(this.path('sys/class/udc', controller), { recursive: true });
    for (const onChange of this.#watchers) onChange();
  }

  bindOther(controller: string): void {
    this.#set(controller, 'function', 'g_ether');
  }

  // --- configfs ---

  readonly #files: GadgetFiles = {
    ...nodeFs,
    mkdirSync: ((path: string) => {
      this.#record('mkdir', path);
      nodeFs.mkdirSync(path);
      const made = contents[basename(dirname(path))];
      for (const name of made?.files ?? []) nodeFs.writeFileSync(join(path, name), name === 'dev' ? '245:0\n' : '');
      for (const name of made?.folders ?? []) nodeFs.mkdirSync(join(path, name));
      return undefined;
    }) as typeof nodeFs.mkdirSync,
    rmdirSync: (path) => {
      this.#record('rmdir', path);
      const made = contents[basename(dirname(String(path)))];
      const mayRemain = [...(made?.files ?? []), ...(made?.folders ?? [])];
      const others = nodeFs.readdirSync(path).filter((name) => !mayRemain.includes(name));
      const inner = (made?.folders ?? []).flatMap((name) => nodeFs.readdirSync(join(String(path), name)));
      if (others.length + inner.length > 0) throw systemError('ENOTEMPTY');
      const gadget = dirname(dirname(String(path)));
      const isLinked = nodeFs.existsSync(join(gadget, 'configs/c.1/hid.usb0'));
      if (basename(dirname(String(path))) === 'functions' && isLinked) throw systemError('EBUSY');
      nodeFs.rmSync(path, { recursive: true });
    },
    symlinkSync: (target, path) => {
      this.#record('link', path);
      nodeFs.symlinkSync(target, path);
    },
    unlinkSync: (path) => {
      this.#record('unlink', path);
      nodeFs.unlinkSync(path);
    },
    writeFileSync: (path, value) => {
      if (!nodeFs.existsSync(String(path))) throw systemError('EACCES');
      if (basename(String(path)) === 'UDC') this.#bind(String(path), String(value).trim());
      nodeFs.writeFileSync(path, basename(String(path)) === 'UDC' ? String(value).trim() : value);
    },
  };

  #bind(path: string, controller: string): void {
    const before = nodeFs.readFileSync(path, 'utf8');
    if (controller === '') {
      this.#record('unplug', dirname(path));
      if (before === '') throw systemError('ENODEV');
      this.#set(before, 'function', '');
      nodeFs.rmSync(this.path('dev/hidg0'));
      for (const host of this.#hosts.values()) host.unplug();
      this.#hosts.clear();
    } else {
      this.#record(`plug into ${controller}`, dirname(path));
      if (this.#get(controller, 'function') !== '') throw systemError('EBUSY');
      this.#set(controller, 'function', basename(dirname(path)));
      this.#set(controller, 'state', 'configured');
      nodeFs.writeFileSync(this.path('dev/hidg0'), '');
    }
  }

  #record(what: string, path: nodeFs.PathLike): void {
    const within = relative(this.#gadgets, String(path));
    if (this.failing?.path === within) throw systemError(this.failing.code);
    this.operations.push(`${what} ${within}`);
  }

  #get(controller: string, name: string): string {
    return nodeFs.readFileSync(this.path('sys/class/udc', controller, name), 'utf8').trim();
  }

  #set(controller: string, name: string, value: string): void {
    nodeFs.writeFileSync(this.path('sys/class/udc', controller, name), `${value}\n`);
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: refused by the fake kernel`), { code });
}
