// Which security keys are on this machine: everything with FIDO's usage page, through node-hid. The library `usb` adds
// what only it knows of keys on a real bus. Both are host-side libraries, loaded when asked for.

/** FIDO alliance; together with usage 1 it is what makes a HID device a security key. CTAP 2.1 §11.2.8.2. */
const fidoUsagePage = 0xf1d0;
const authenticatorUsage = 0x01;

export interface UsbPlace {
  /** As the system names it; a number on Linux. */
  readonly bus: string;
  readonly address: number;
  /** Binary-coded decimal. */
  readonly bcdDevice: number;
}

export interface FidoDevice {
  /** What `openDevice` takes; `/dev/hidraw3` on Linux. */
  readonly path: string;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | undefined;
  readonly product: string | undefined;
  readonly manufacturer: string | undefined;
  /** Only of devices on a real USB bus; a UHID device has none. */
  readonly usb: UsbPlace | undefined;
}

/** Lists the security keys that this machine sees, whether or not they may be opened. */
export async function findDevices(): Promise<FidoDevice[]> {
  const { default: hid } = await import('node-hid');
  const [devices, usbPlaces] = await Promise.all([hid.devicesAsync(), listUsb()]);
  return devices.flatMap(({ path, vendorId, productId, serialNumber, product, manufacturer, usagePage, usage }) => {
    if (path === undefined || usagePage !== fidoUsagePage || usage !== authenticatorUsage) return [];
    const usb = usbPlaces.get(usbKey(vendorId, productId, serialNumber));
    return [{ path, vendorId, productId, serialNumber, product, manufacturer, usb }];
  });
}

/** Without the library, or without a bus that it may read, there is simply less to tell. */
async function listUsb(): Promise<Map<string, UsbPlace>> {
  const places = new Map<string, UsbPlace>();
  try {
    const { usb } = await import('usb');
    for (const device of await usb.getDevices()) {
      const { vendorId, productId, serialNumber, bus, address } = device;
      const { deviceVersionMajor: major, deviceVersionMinor: minor, deviceVersionSubminor: subminor } = device;
      const bcdDevice = (major << 8) | (minor << 4) | subminor;
      places.set(usbKey(vendorId, productId, serialNumber ?? undefined), { bus, address, bcdDevice });
    }
  } catch {}
  return places;
}

function usbKey(vendorId: number, productId: number, serialNumber: string | undefined): string {
  return `${vendorId}:${productId}:${serialNumber ?? ''}`;
}
