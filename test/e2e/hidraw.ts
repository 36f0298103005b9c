// The kernel's view of our key: its hidraw node, found through sysfs.

import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, vi } from 'vitest';
import { succeed } from './command.ts';

/** How long a slow machine may take to notice that a device came or went. */
const patience = { timeout: 30_000, interval: 50 };

export interface HidrawNode {
  /** `/dev/hidraw0`. */
  readonly path: string;
  /** `0003:1209:0001.0002`; the last part counts up with every device that the kernel sees. */
  readonly device: string;
}

/** The virtual keys that the kernel knows now. */
export function hidrawNodes(): HidrawNode[] {
  const folder = '/sys/class/hidraw';
  return readdirSync(folder).flatMap((name) => {
    try {
      const uevent = readFileSync(`${folder}/${name}/device/uevent`, 'utf8');
      const device = basename(realpathSync(`${folder}/${name}/device`));
      return /^HID_NAME=.*passfob/im.test(uevent) ? [{ path: `/dev/${name}`, device }] : [];
    } catch {
      return []; // It went away while we looked.
    }
  });
}

/** Waits until the kernel shows exactly one virtual key and udev's rules have run for it. */
export async function hidrawNode(): Promise<HidrawNode> {
  await vi.waitFor(() => expect(hidrawNodes()).toHaveLength(1), patience);
  await succeed('udevadm', ['settle', '--timeout=30']);
  const [node] = hidrawNodes();
  if (!node) throw new Error('expected the virtual key to stay, but it went away');
  return node;
}

/** Waits until neither kernel nor udev show any virtual key. */
export async function untilUnplugged({ path }: HidrawNode): Promise<void> {
  await vi.waitFor(() => expect([hidrawNodes(), existsSync(path)]).toEqual([[], false]), patience);
}
