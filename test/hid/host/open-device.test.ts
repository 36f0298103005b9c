import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { openDevice } from '../../../hid/host/open-device.ts';
import { report } from '../transports/contract.ts';

const { open } = vi.hoisted(() => ({ open: vi.fn() }));
vi.mock('node-hid', () => ({ default: { HIDAsync: { open } } }));

/** What node-hid's HIDAsync is to us. */
class FakeHid extends EventEmitter {
  readonly write = vi.fn(async (_bytes: number[]) => 65);
  readonly close = vi.fn(async () => undefined);
}

let hid: FakeHid;
beforeEach(() => {
  hid = new FakeHid();
  open.mockReset().mockResolvedValue(hid);
});

describe('openDevice', () => {
  it('puts the report number 0 in front of what it sends', async () => {
    const connection = await openDevice('/dev/hidraw0');
    expect(open).toHaveBeenCalledWith('/dev/hidraw0');
    await connection.send(report(1));
    expect(hid.write).toHaveBeenCalledWith([0, ...report(1)]);
  });

  it('hands what comes to every listener, each its own bytes, with one listener at node-hid', async () => {
    const connection = await openDevice('/dev/hidraw0');
    const seen: Uint8Array[] = [];
    for (let i = 0; i < 2; i++) connection.onReport((bytes) => seen.push(bytes));
    hid.emit('data', Buffer.from(report(1)));
    expect(seen).toEqual([report(1), report(1)]);
    expect(seen[0]).not.toBe(seen[1]);
    expect(hid.listenerCount('data')).toBe(1);
  });

  it('hands on what comes, as plain bytes', async () => {
    const connection = await openDevice('/dev/hidraw0');
    const reports: Uint8Array[] = [];
    connection.onReport((bytes) => reports.push(bytes));
    hid.emit('data', Buffer.from(report(1)));
    expect(reports).toStrictEqual([report(1)]);
  });

  it('closes once, by itself when the device is pulled out', async () => {
    const connection = await openDevice('/dev/hidraw0');
    hid.close.mockRejectedValue(new Error('gone'));
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    hid.emit('error', new Error('could not read from HID device'));
    await closed;
    await connection.close();
    expect(hid.close).toHaveBeenCalledTimes(1);
  });

  it('says which device cannot be opened', async () => {
    open.mockRejectedValue(new Error('held by another program'));
    await expect(openDevice('DevSrvsID:1')).rejects.toMatchObject({
      name: 'TransportError',
      code: 'no-device',
      message: 'cannot open DevSrvsID:1: held by another program',
    });
  });

  it('says that a device is not there, where the library does not', async () => {
    open.mockRejectedValue(new Error('cannot open device'));
    await expect(openDevice('/dev/no-such-key')).rejects.toMatchObject({
      code: 'no-device',
      message: 'there is no /dev/no-such-key',
    });
  });
});
