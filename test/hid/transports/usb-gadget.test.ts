// The gadget transport on a kernel made of a folder. The real one is met in test/e2e/gadget.e2e.ts.

import { mkdirSync, rmSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fidoReportDescriptor } from '../../../hid/transport.ts';
import { hostPatienceMs, UsbGadgetTransport } from '../../../hid/transports/usb-gadget.ts';
import { describeTransport, inbox, report } from './contract.ts';
import { FakeGadgetKernel } from './fake-gadget-kernel.ts';

const identity = {
  productName: 'passfob test',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0123,
  serialNumber: 'PF0123',
};
const gadget = 'passfob-PF0123';
const neverFails = (error: Error) => expect.fail(error.message);

const kernels: FakeGadgetKernel[] = [];
function machine(...controllers: string[]): FakeGadgetKernel {
  const kernel = new FakeGadgetKernel(...controllers);
  kernels.push(kernel);
  return kernel;
}
afterEach(() => {
  vi.useRealTimers();
  for (const kernel of kernels.splice(0)) rmSync(kernel.root, { recursive: true });
});

const transportOn = (kernel: FakeGadgetKernel, controller?: string) =>
  new UsbGadgetTransport({ kind: 'gadget', ...(controller && { controller }) }, identity, kernel);

async function plugIn(kernel = machine('udc.0')) {
  const transport = transportOn(kernel);
  const fromHost = inbox<Uint8Array>();
  const onAbandoned = vi.fn();
  const onError = vi.fn<(error: Error) => void>();
  await transport.open(fromHost.put, onError, onAbandoned);
  const host = await kernel.connect();
  const fromDevice = inbox<Uint8Array>();
  host.onReport(fromDevice.put);
  return { kernel, transport, host, fromHost, fromDevice, onAbandoned, onError };
}

describe('UsbGadgetTransport keeps the contract', () => {
  const kernelOf = new WeakMap<UsbGadgetTransport, FakeGadgetKernel>();
  describeTransport({
    create: () => {
      const kernel = machine('udc.0');
      const transport = transportOn(kernel);
      kernelOf.set(transport, kernel);
      return transport;
    },
    connect: (transport) => kernelOf.get(transport)?.connect() ?? expect.fail('an unknown transport'),
  });
});

describe('the gadget in configfs', () => {
  it('is a FIDO key with one HID function, and nothing else', async () => {
    const { kernel, transport } = await plugIn();
    expect(kernel.writtenTree(gadget)).toEqual({
      UDC: 'udc.0',
      bcdUSB: '0x0200',
      idVendor: '0x1209',
      idProduct: '0x0001',
      bcdDevice: '0x0123',
      'strings/0x409/manufacturer': 'passfob',
      'strings/0x409/product': 'test',
      'strings/0x409/serialnumber': 'PF0123',
      'functions/hid.usb0/dev': '245:0\n',
      'functions/hid.usb0/subclass': '0',
      'functions/hid.usb0/protocol': '0',
      'functions/hid.usb0/report_length': '64',
      'functions/hid.usb0/report_desc': Buffer.from(fidoReportDescriptor).toString('latin1'),
      'configs/c.1/bmAttributes': '0x80',
      'configs/c.1/MaxPower': '100',
      'configs/c.1/hid.usb0': '→ functions/hid.usb0',
    });
    await transport.close();
  });

  it('is unplugged first and then removed from the inside out, at once', async () => {
    const { kernel, transport } = await plugIn();
    kernel.operations.length = 0;
    transport.closeNow();
    expect(kernel.operations).toEqual([
      `unplug ${gadget}`,
      `unlink ${gadget}/configs/c.1/hid.usb0`,
      `rmdir ${gadget}/configs/c.1`,
      `rmdir ${gadget}/functions/hid.usb0`,
      `rmdir ${gadget}/strings/0x409`,
      `rmdir ${gadget}`,
    ]);
    expect(kernel.gadgets).toEqual([]);
  });

  it('takes the place of one that a killed process left, and leaves all others alone', async () => {
    const kernel = machine('udc.0');
    mkdirSync(kernel.path('sys/kernel/config/usb_gadget/passfob-OTHER'));
    await transportOn(kernel).open(() => undefined, neverFails);
    const { transport } = await plugIn(kernel);
    expect(kernel.gadgets).toEqual(['passfob-OTHER', gadget]);
    await transport.close();
    expect(kernel.gadgets).toEqual(['passfob-OTHER']);
  });

  it.each(['mkdir', 'link', 'plug'])('is gone if %s fails while it is made', async (step) => {
    const kernel = machine('udc.0');
    const path = { mkdir: `${gadget}/configs/c.1`, link: `${gadget}/configs/c.1/hid.usb0`, plug: gadget }[step] ?? '';
    const transport = transportOn(kernel);
    if (step === 'plug') kernel.bindOther('udc.0');
    else kernel.failing = { path, code: 'EINVAL' };
    await expect(transport.open(() => undefined, neverFails)).rejects.toThrow();
    kernel.failing = undefined;
    await transport.close();
    expect(kernel.gadgets).toEqual([]);
  });
});

describe('the controller', () => {
  it('is the first that is free', async () => {
    const kernel = machine('udc.0', 'udc.1', 'udc.2');
    kernel.bindOther('udc.0');
    const transport = transportOn(kernel);
    await transport.open(() => undefined, neverFails);
    expect(kernel.writtenTree(gadget)['UDC']).toBe('udc.1');
    await transport.close();
  });

  it('is the one that is asked for', async () => {
    const kernel = machine('udc.0', 'udc.1');
    const transport = transportOn(kernel, 'udc.1');
    await transport.open(() => undefined, neverFails);
    expect(transport.name).toBe('gadget:udc.1');
    expect(kernel.writtenTree(gadget)['UDC']).toBe('udc.1');
    await transport.close();
  });
});

describe('what is in the way is said, with what helps', () => {
  const refusal = async (kernel: FakeGadgetKernel, controller?: string) => {
    const transport = transportOn(kernel, controller);
    return transport
      .open(() => undefined, neverFails)
      .then(
        () => expect.fail('it opened'),
        (error: unknown) => error,
      );
  };

  it('no controller', async () => {
    expect(await refusal(machine())).toMatchObject({
      code: 'no-device',
      message: 'this machine has no USB device controller',
      hint: expect.stringContaining('dtoverlay=dwc2,dr_mode=peripheral'),
    });
  });

  it('no controller of that name', async () => {
    expect(await refusal(machine('udc.0', 'udc.1'), 'udc.7')).toMatchObject({
      code: 'no-device',
      message: 'there is no USB device controller udc.7',
      hint: 'this machine has udc.0, udc.1',
    });
  });

  it.each([undefined, 'udc.0'])('another gadget has the port, with %s asked for', async (controller) => {
    const kernel = machine('udc.0');
    kernel.bindOther('udc.0');
    expect(await refusal(kernel, controller)).toMatchObject({
      code: 'in-use',
      message: 'another gadget is bound to udc.0',
      hint: expect.stringContaining('/sys/kernel/config/usb_gadget'),
    });
  });

  it.each([
    ['ENOENT', 'no-device', 'the kernel has no USB gadgets with HID', 'sudo modprobe usb_f_hid'],
    ['EACCES', 'no-permission', 'cannot make a USB gadget: permission denied', 'root'],
    ['ENOMEM', 'io', `cannot make the gadget ${gadget}: ENOMEM: refused by the fake kernel`, undefined],
  ])('the kernel says %s', async (errno, code, message, hint) => {
    const kernel = machine('udc.0');
    kernel.failing = { path: gadget, code: errno };
    const expected = hint === undefined ? undefined : expect.stringContaining(hint);
    expect(await refusal(kernel)).toMatchObject({ code, message, hint: expected });
  });
});

describe('the host comes and goes', () => {
  it('and what was under way is over, for the key as well', async () => {
    const { kernel, transport, host, fromHost, fromDevice, onAbandoned } = await plugIn();
    kernel.stopCollecting();
    for (let i = 0; i < 5; i++) await transport.send(report(i));
    kernel.changeState('udc.0', 'default');
    expect(onAbandoned).toHaveBeenCalledTimes(1);
    await transport.send(report(5)); // to nobody
    kernel.changeState('udc.0', 'configured');
    expect(onAbandoned).toHaveBeenCalledTimes(2);

    kernel.collectAgain();
    expect(await fromDevice.next()).toEqual(report(0)); // was in the kernel's hands already
    await transport.send(report(6));
    expect(await fromDevice.next()).toEqual(report(6));
    host.send(report(7));
    expect(await fromHost.next()).toEqual(report(7));
    await transport.close();
  });

  it('and leaves no file open behind it', async () => {
    const { kernel, transport } = await plugIn();
    for (let i = 0; i < 5; i++) {
      kernel.changeState('udc.0', 'default');
      kernel.changeState('udc.0', 'configured');
    }
    await new Promise(setImmediate);
    expect(kernel.streams).toHaveLength(1);
    await transport.close();
    await new Promise(setImmediate);
    expect(kernel.streams).toEqual([]);
  });

  it('with the word of a newer kernel, which fails reading', async () => {
    const { kernel, transport, host, fromHost, onAbandoned, onError } = await plugIn();
    const [stream] = kernel.streams;
    stream?.destroy(Object.assign(new Error('ESHUTDOWN'), { code: 'ESHUTDOWN' }));
    await vi.waitFor(() => expect(onAbandoned).toHaveBeenCalledTimes(1));
    kernel.changeState('udc.0', 'configured');
    host.send(report(1));
    expect(await fromHost.next()).toEqual(report(1));
    expect(onError).not.toHaveBeenCalled();
    await transport.close();
  });

  it('unplugged and plugged in again through configfs', async () => {
    const { kernel, transport, fromHost, onError } = await plugIn();
    rmSync(kernel.path('dev/hidg0'));
    kernel.changeState('udc.0', 'configured'); // as it is left by some controllers
    mkdirSync(kernel.path('dev/hidg0'));
    kernel.changeState('udc.0', 'configured');
    kernel.write(report(1));
    expect(await fromHost.next()).toEqual(report(1));
    expect(onError).not.toHaveBeenCalled();
    await transport.close();
  });

  it('for good, when the controller goes', async () => {
    const { kernel, transport, onError } = await plugIn();
    kernel.removeController('udc.0');
    expect(onError).toHaveBeenCalledTimes(1);
    expect(onError.mock.calls[0]?.[0]).toMatchObject({ name: 'TransportError', code: 'io' });
    expect(kernel.gadgets).toEqual([]);
    await transport.close();
  });
});

describe('a host that does not collect', () => {
  const patienceIsOver = async () => {
    await vi.advanceTimersByTimeAsync(hostPatienceMs);
    await new Promise(setImmediate);
  };

  it('is given up after a second, and its reports do not meet the next one', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { kernel, transport, fromDevice, onAbandoned } = await plugIn();
    kernel.stopCollecting();
    for (let i = 0; i < 5; i++) await transport.send(report(i));
    await vi.advanceTimersByTimeAsync(hostPatienceMs - 1);
    expect(onAbandoned).not.toHaveBeenCalled();
    await patienceIsOver();
    expect(onAbandoned).toHaveBeenCalledTimes(1);

    kernel.collectAgain();
    await transport.send(report(9));
    expect(await fromDevice.next()).toEqual(report(0));
    expect(await fromDevice.next()).toEqual(report(9));
    await transport.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('finds no more reports than two of the longest messages have', async () => {
    const { kernel, transport, fromDevice } = await plugIn();
    kernel.stopCollecting();
    for (let i = 0; i < 1000; i++) await transport.send(report(i % 100));
    kernel.collectAgain();
    for (let i = 0; i < 2 * 129; i++) expect(await fromDevice.next()).toEqual(report(i % 100));
    await transport.send(report(200));
    expect(await fromDevice.next()).toEqual(report(200));
    await transport.close();
  });

  it('has its second anew with every report that it collects', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { kernel, transport, fromDevice, onAbandoned } = await plugIn();
    kernel.stopCollecting();
    await transport.send(report(0));
    await transport.send(report(1));
    await vi.advanceTimersByTimeAsync(hostPatienceMs - 1);
    kernel.collectAgain();
    kernel.stopCollecting();
    expect(await fromDevice.next()).toEqual(report(0));
    await vi.advanceTimersByTimeAsync(hostPatienceMs - 1);
    expect(onAbandoned).not.toHaveBeenCalled();
    await transport.close();
  });

  it('is not blamed if the kernel has news that nobody had looked at', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { kernel, transport, onAbandoned } = await plugIn();
    kernel.stopCollecting();
    await transport.send(report(0));
    vi.advanceTimersByTime(hostPatienceMs);
    kernel.collectAgain();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(onAbandoned).not.toHaveBeenCalled();
    await transport.close();
  });
});

it('drops what is no report, and lives on after an empty packet', async () => {
  const { kernel, transport, fromHost } = await plugIn();
  kernel.write(report(1).subarray(0, 63));
  kernel.write(report(2));
  expect(await fromHost.next()).toEqual(report(2));
  const [before] = kernel.streams;
  before?.push(null); // how an empty packet looks
  await new Promise((resolve) => before?.once('close', resolve));
  kernel.write(report(3));
  expect(await fromHost.next()).toEqual(report(3));
  await transport.close();
});
