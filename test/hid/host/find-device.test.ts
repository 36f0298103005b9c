import { beforeEach, describe, expect, it } from 'vitest';
import { findDevices, resolveDevice } from '../../../hid/host/find-device.ts';
import { FakeMachine, hidKey, uhidLink, usbKey, usbLink } from './fake-machine.ts';

let machine: FakeMachine;
beforeEach(() => {
  machine = new FakeMachine();
  machine.hid = [hidKey];
});

const { usagePage, usage, ...told } = hidKey;
const descriptors = {
  bus: '003',
  address: 17,
  ports: [1, 2],
  speed: 'full',
  usbVersion: '2.00',
  deviceVersion: '1.23',
  hidInterfaces: [
    { number: 1, endpoints: [{ endpointNumber: 1, direction: 'in', type: 'interrupt', packetSize: 64 }] },
  ],
};

describe('findDevices', () => {
  it('finds what has the usage page and usage of FIDO, and nothing else', async () => {
    machine.hid = [{ ...hidKey, usagePage: 1 }, hidKey, { ...hidKey, usage: 2 }, { ...hidKey, path: undefined }];
    expect(await findDevices(machine)).toEqual([{ ...told, instance: '/dev/hidraw0' }]);
  });

  it('looks at no USB bus for a key that is on none', async () => {
    machine.links.set('/dev/hidraw0', uhidLink);
    machine.usb = [new Error('no bus')];
    expect(await findDevices(machine)).toEqual([{ ...told, instance: '0003:1209:0001.0005', bus: 'uhid' }]);
  });

  it('adds the USB descriptors of a key that is on a bus', async () => {
    machine.links.set('/dev/hidraw0', usbLink);
    machine.usb = [{ ...usbKey, ports: [1] }, usbKey];
    expect(await findDevices(machine)).toEqual([
      { ...told, instance: '0003:1209:0001.0004', bus: 'usb', usb: descriptors },
    ]);
  });

  it('tells keys with the same ids and serial number apart by their place', async () => {
    machine.hid = [hidKey, { ...hidKey, path: '/dev/hidraw1' }];
    machine.links.set('/dev/hidraw0', usbLink);
    machine.links.set('/dev/hidraw1', usbLink.replaceAll('3-1.2', '3-2').replace('0004', '0005'));
    machine.usb = [{ ...usbKey, address: 18, ports: [2] }, usbKey];
    expect((await findDevices(machine)).map(({ usb }) => usb?.address)).toEqual([17, 18]);
  });

  it('goes by ids and serial number where the system tells no place', async () => {
    machine.usb = [{ ...usbKey, serialNumber: null, address: 16 }, usbKey];
    expect(await findDevices(machine)).toMatchObject([{ bus: 'usb', usb: { address: 17 } }]);
  });

  it('claims no descriptors that may be those of another key', async () => {
    machine.usb = [usbKey, { ...usbKey, address: 18 }];
    expect(await findDevices(machine)).toMatchObject([{ bus: undefined, usb: undefined }]);
  });

  it('finds keys also where the bus cannot be looked at, and says why', async () => {
    machine.links.set('/dev/hidraw0', usbLink);
    machine.usb = [new Error('not allowed')];
    expect(await findDevices(machine)).toMatchObject([{ bus: 'usb', usb: undefined, usbProblem: 'not allowed' }]);
  });

  it('takes an empty serial number for none', async () => {
    machine.hid = [{ ...hidKey, serialNumber: '' }];
    expect(await findDevices(machine)).toMatchObject([{ serialNumber: undefined }]);
  });
});

describe('resolveDevice', () => {
  it('takes a path as it is, without a list', async () => {
    machine.hid = [new Error('no list')];
    expect(await resolveDevice('/dev/hidraw7', machine)).toBe('/dev/hidraw7');
  });

  it('finds a key by its serial number, or by a path that looks like none', async () => {
    machine.hid = [{ ...hidKey, serialNumber: 'S-2', path: 'DevSrvsID:1' }, hidKey];
    expect(await resolveDevice('S-1', machine)).toBe('/dev/hidraw0');
    expect(await resolveDevice('DevSrvsID:1', machine)).toBe('DevSrvsID:1');
  });

  it('refuses a serial number that no key has', async () => {
    await expect(resolveDevice('S-2', machine)).rejects.toMatchObject({
      code: 'no-device',
      message: 'no security key has the path or serial number S-2',
    });
  });

  it('refuses a serial number that two keys have, and names their paths', async () => {
    machine.hid = [hidKey, { ...hidKey, path: '/dev/hidraw1' }];
    await expect(resolveDevice('S-1', machine)).rejects.toMatchObject({
      message: '2 security keys have the serial number S-1',
      hint: 'name one by its path: /dev/hidraw0, /dev/hidraw1',
    });
  });
});
