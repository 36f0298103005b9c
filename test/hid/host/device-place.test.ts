import { expect, it } from 'vitest';
import { devicePlace, parsePlace } from '../../../hid/host/device-place.ts';
import { uhidLink, usbLink } from './fake-machine.ts';

it('tells the ports that lead to a USB device', () => {
  expect(parsePlace(usbLink)).toEqual({ bus: 'usb', instance: '0003:1209:0001.0004', usbPath: '3-1.2' });
});

it.each([
  [uhidLink, 'uhid'],
  ['../../devices/virtual/misc/uhid/0005:1209:0001.0005/hidraw/hidraw0', 'bluetooth'],
  ['../../devices/platform/vhci_hcd.0/usb4/4-1/4-1:1.0/0003:1209:0001.0001/hidraw/hidraw0', 'usbip'],
  ['../../devices/platform/dummy_hcd.0/usb17/17-1/17-1:1.0/0003:1209:0001.0001/hidraw/hidraw0', 'usb'],
  ['../../devices/pci0/usb1/1-4/1-4:1.0/bluetooth/hci0/hci0:1/0005:1209:0001.0002/hidraw/hidraw1', 'bluetooth'],
  ['../../devices/platform/i2c-1/0018:04F3:2F64.0003/hidraw/hidraw1', 'other'],
])('%s is on %s', (link, bus) => {
  expect(parsePlace(link)?.bus).toBe(bus);
});

it('knows no place where sysfs has none', () => {
  expect(parsePlace('../../devices/virtual/tty/tty0')).toBeUndefined();
  expect(devicePlace('/dev/no-such-node')).toBeUndefined();
});
