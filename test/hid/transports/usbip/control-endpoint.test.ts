import { describe, expect, it } from 'vitest';
import { fidoReportDescriptor } from '../../../../hid/transport.ts';
import {
  configurationDescriptor,
  deviceDescriptor,
  hidDescriptor,
  stringDescriptor,
} from '../../../../hid/transports/usb-descriptors.ts';
import { ControlEndpoint } from '../../../../hid/transports/usbip/control-endpoint.ts';
import { setupPacket } from '../../../support/usbip-client.ts';

const identity = {
  productName: 'A key',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0102,
  serialNumber: 'PF1',
};
const none = new Uint8Array(0);
const stall = undefined;

function plugIn() {
  const reports: Uint8Array[] = [];
  let resets = 0;
  const endpoint = new ControlEndpoint(identity, {
    onReport: (report) => reports.push(report),
    onReset: () => {
      resets++;
    },
  });
  const ask = (requestType: number, request: number, value = 0, index = 0, length = 0xff) =>
    endpoint.answer(setupPacket(requestType, request, value, index, length), none);
  const tell = (requestType: number, request: number, value = 0, index = 0, data: Uint8Array = none) =>
    endpoint.answer(setupPacket(requestType, request, value, index, data.length), data);
  return { endpoint, ask, tell, reports, resets: () => resets };
}

describe('what a host asks', () => {
  it.each([
    ['the device descriptor', [0x80, 6, 0x0100], deviceDescriptor(identity)],
    ['the configuration', [0x80, 6, 0x0200], configurationDescriptor],
    ['a second configuration', [0x80, 6, 0x0201], stall],
    ['the languages', [0x80, 6, 0x0300], stringDescriptor(0, identity)],
    ['the manufacturer', [0x80, 6, 0x0301, 0x0409], stringDescriptor(1, identity)],
    ['the product', [0x80, 6, 0x0302, 0x0409], stringDescriptor(2, identity)],
    ['the serial number', [0x80, 6, 0x0303, 0x0409], stringDescriptor(3, identity)],
    ['a string that is not there', [0x80, 6, 0x0304, 0x0409], stall],
    ["Microsoft's own string", [0x80, 6, 0x03ee], stall],
    ['the interface descriptor by itself', [0x80, 6, 0x0400], stall],
    ['a device qualifier, of high speed', [0x80, 6, 0x0600], stall],
    ['the configuration at another speed', [0x80, 6, 0x0700], stall],
    ['a BOS descriptor, of USB 2.1', [0x80, 6, 0x0f00], stall],
    ['the HID descriptor', [0x81, 6, 0x2100], hidDescriptor],
    ['the report descriptor', [0x81, 6, 0x2200], fidoReportDescriptor],
    ['a physical descriptor', [0x81, 6, 0x2300], stall],
    ['the report descriptor of another interface', [0x81, 6, 0x2200, 1], stall],
    ['the status of the device', [0x80, 0], Uint8Array.of(0, 0)],
    ['the status of the interface', [0x81, 0], Uint8Array.of(0, 0)],
    ['the status of endpoint zero', [0x82, 0, 0, 0x80], Uint8Array.of(0, 0)],
    ['the status of an endpoint', [0x82, 0, 0, 0x81], Uint8Array.of(0, 0)],
    ['the status of an endpoint that is not there', [0x82, 0, 0, 0x82], stall],
    ['the configuration in use', [0x80, 8], Uint8Array.of(1)],
    ['the alternate setting', [0x81, 10], Uint8Array.of(0)],
    ['the idle rate', [0xa1, 2], Uint8Array.of(0)],
    ['an input report', [0xa1, 1, 0x0100], new Uint8Array(64)],
    ['an input report with a number', [0xa1, 1, 0x0101], stall],
    ['a feature report', [0xa1, 1, 0x0300], stall],
    ['the protocol, of boot devices', [0xa1, 3], stall],
    ['the frame of an isochronous endpoint', [0x82, 12, 0, 0x81], stall],
    ['a vendor request', [0xc0, 1], stall],
  ] as const)('%s', (_, [requestType, request, value, index], answer) => {
    expect(plugIn().ask(requestType, request, value, index)).toEqual(answer);
  });

  it('is cut to the length that it has room for', () => {
    const { ask } = plugIn();
    expect(ask(0x80, 6, 0x0100, 0, 8)).toEqual(deviceDescriptor(identity).subarray(0, 8));
    expect(ask(0x80, 6, 0x0200, 0, 9)).toEqual(configurationDescriptor.subarray(0, 9));
    expect(ask(0x80, 6, 0x0100, 0, 0)).toEqual(none);
  });
});

describe('what a host tells', () => {
  it.each([
    ['its address', [0x00, 5, 7], none],
    ['the configuration', [0x00, 9, 1], none],
    ['no configuration', [0x00, 9, 0], none],
    ['a configuration that is not there', [0x00, 9, 2], stall],
    ['the alternate setting', [0x01, 11, 0], none],
    ['an alternate setting that is not there', [0x01, 11, 1], stall],
    ['the alternate setting of another interface', [0x01, 11, 0, 1], stall],
    ['to wake the host', [0x00, 3, 1], stall],
    ['not to wake the host', [0x00, 1, 1], stall],
    ['a test mode', [0x00, 3, 2], stall],
    ['a descriptor', [0x00, 7, 0x0100], stall],
    ['a halt of endpoint zero, which has no effect', [0x02, 3, 0, 0x00], none],
    ['a halt of an endpoint that is not there', [0x02, 3, 0, 0x02], stall],
    ['another feature of an endpoint', [0x02, 3, 1, 0x81], stall],
    ['the idle rate of another interface', [0x21, 10, 0, 1], stall],
    ['the protocol, of boot devices', [0x21, 11, 1], stall],
    ['a report of no size', [0x21, 9, 0x0200], stall],
    ['a reset of its port', [0x23, 3, 4], none],
    ['power for its port', [0x23, 3, 8], stall],
    ['a vendor request', [0x40, 1], stall],
  ] as const)('%s', (_, [requestType, request, value, index], answer) => {
    expect(plugIn().tell(requestType, request, value, index)).toEqual(answer);
  });

  it('is remembered: configuration and idle rate', () => {
    const { ask, tell } = plugIn();
    tell(0x21, 10, 0x0500);
    expect(ask(0xa1, 2)).toEqual(Uint8Array.of(5));
    tell(0x00, 9, 0);
    expect(ask(0x80, 8)).toEqual(Uint8Array.of(0));
    tell(0x00, 9, 1);
    expect(ask(0x80, 8)).toEqual(Uint8Array.of(1));
  });

  it('is forgotten with a reset of its port; the configuration is there again, which no host sets after that', () => {
    const { endpoint, ask, tell, resets } = plugIn();
    tell(0x21, 10, 0x0500);
    tell(0x00, 9, 0);
    tell(0x02, 3, 0, 0x81);
    expect(tell(0x23, 3, 4)).toEqual(none);
    expect([ask(0x80, 8), ask(0xa1, 2)]).toEqual([Uint8Array.of(1), Uint8Array.of(0)]);
    expect([endpoint.isReady(0x81), endpoint.isReady(0x01)]).toEqual([true, true]);
    expect(resets()).toBe(1);
  });

  it.each([0x81, 0x01])('a halt of endpoint %i, and its end', (endpoint) => {
    const { endpoint: control, ask, tell } = plugIn();
    expect(control.isReady(endpoint)).toBe(true);
    tell(0x02, 3, 0, endpoint);
    expect(control.isReady(endpoint)).toBe(false);
    expect(control.isReady(endpoint ^ 0x80)).toBe(true);
    expect(ask(0x82, 0, 0, endpoint)).toEqual(Uint8Array.of(1, 0));
    tell(0x02, 1, 0, endpoint);
    expect(control.isReady(endpoint)).toBe(true);
    expect(ask(0x82, 0, 0, endpoint)).toEqual(Uint8Array.of(0, 0));
  });

  it.each([
    ['a configuration', [0x00, 9, 1]],
    ['an alternate setting', [0x01, 11, 0]],
  ] as const)('%s, which ends halts', (_, [requestType, request, value]) => {
    const { endpoint, tell } = plugIn();
    tell(0x02, 3, 0, 0x81);
    tell(requestType, request, value);
    expect(endpoint.isReady(0x81)).toBe(true);
  });

  it('that it is not configured: then no report goes through', () => {
    const { endpoint, tell } = plugIn();
    tell(0x00, 9, 0);
    expect([endpoint.isReady(0x81), endpoint.isReady(0x01)]).toEqual([false, false]);
  });

  it('an output report with SET_REPORT, as good as one over its endpoint', () => {
    const { tell, reports } = plugIn();
    const report = Uint8Array.from({ length: 64 }, (_, i) => i);
    expect(tell(0x21, 9, 0x0200, 0, report)).toEqual(none);
    expect(reports).toEqual([report]);
    expect(tell(0x21, 9, 0x0300, 0, report)).toBe(stall);
    expect(tell(0x21, 9, 0x0200, 0, report.subarray(1))).toBe(stall);
    expect(reports).toHaveLength(1);
  });
});
