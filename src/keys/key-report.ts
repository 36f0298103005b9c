// What any security key on this machine tells of itself, without a touch and without a PIN.

import { CtapHidClient } from '../../hid/host/ctaphid-client.ts';
import type { Bus } from '../../hid/host/device-place.ts';
import type { FidoDevice } from '../../hid/host/find-device.ts';
import type { HostConnection } from '../../hid/host/host-connection.ts';
import { openDevice } from '../../hid/host/open-device.ts';
import type { UsbDescriptors } from '../../hid/host/usb-device.ts';
import { TransportError } from '../../hid/transport-error.ts';
import { Capability } from '../../hid/wire.ts';
import { CtapClient } from '../platform/ctap-client.ts';
import { PinClient } from '../platform/pin-client.ts';

/** What the system tells of a key; members are null where it does not. */
export interface KeyPlace {
  readonly name: string | null;
  readonly manufacturer: string | null;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | null;
  readonly bus: Bus | null;
  readonly path: string;
  /** Of a key on a USB bus. */
  readonly usb: UsbDescriptors | null;
}

/** What the key tells besides; members are null where it does not, or could not be asked: `problem` says why. */
export interface KeyReport extends KeyPlace {
  readonly versions: readonly string[] | null;
  readonly pin: PinState | null;
  /** How many discoverable credentials still fit. */
  readonly freeSlots: number | null;
  /** As in WebAuthn: `usb`, `nfc`, … */
  readonly transports: readonly string[] | null;
  readonly problem: { readonly message: string; readonly hint: string | null } | null;
}

interface PinState {
  readonly set: boolean;
  readonly retries: number | null;
  readonly powerCycleNeeded: boolean;
}

type Answers = Pick<KeyReport, 'versions' | 'pin' | 'freeSlots' | 'transports'>;

const noAnswers: Answers = { versions: null, pin: null, freeSlots: null, transports: null };

export type OpenDevice = (path: string) => Promise<HostConnection>;

/** Resolves for every key, whatever it does. */
export async function reportKey(device: FidoDevice, open: OpenDevice = openDevice): Promise<KeyReport> {
  const place = keyPlace(device);
  try {
    return { ...place, ...(await ask(await open(device.path))), problem: descriptorProblem(device) };
  } catch (error) {
    return { ...place, ...noAnswers, problem: describe(error as Error) };
  }
}

/** How long udev may take to let the user have a key that has just been plugged in. */
const permission = { tries: 8, pauseMs: 250 };

/** The same for a key that has just come: its node is there before anybody may open it. */
export async function reportNewKey(device: FidoDevice, open: OpenDevice = openDevice): Promise<KeyReport> {
  return reportKey(device, async (path) => {
    for (let left = permission.tries; ; left--) {
      try {
        return await open(path);
      } catch (error) {
        if (left <= 1 || !(error instanceof TransportError && error.code === 'no-permission')) throw error;
        await new Promise((resolve) => setTimeout(resolve, permission.pauseMs));
      }
    }
  });
}

export function keyPlace(device: FidoDevice): KeyPlace {
  const { product, manufacturer, vendorId, productId, serialNumber, bus, path, usb } = device;
  return {
    name: product ?? null,
    manufacturer: manufacturer ?? null,
    vendorId,
    productId,
    serialNumber: serialNumber ?? null,
    bus: bus ?? null,
    path,
    usb: usb ?? null,
  };
}

/** How long a key may take for all its answers; it needs a few milliseconds. */
const patienceMs = 5000;

/** Closes the connection, too. A key that says for ever that it is busy, or cannot be closed, is waited for no longer. */
function ask(connection: HostConnection): Promise<Answers> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const problem = `the key is busy and told nothing of itself for ${patienceMs / 1000} seconds`;
      reject(new TransportError('io', problem, { hint: 'pull it out and plug it in again' }));
      void connection.close().catch(() => undefined);
    }, patienceMs);
    void askAll(connection)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

async function askAll(connection: HostConnection): Promise<Answers> {
  try {
    const channel = await CtapHidClient.connect(connection);
    // A key of before CTAP2 knows no getInfo, and has no PIN.
    if ((channel.info.capabilities & Capability.CBOR) === 0) return { ...noAnswers, versions: ['U2F_V2'] };
    const ctap = new CtapClient(channel);
    const info = await ctap.getInfo();
    const pinIsSet = info.options.get('clientPin');
    return {
      versions: info.versions,
      pin: pinIsSet === undefined ? null : await pinState(pinIsSet, () => new PinClient(ctap, info).retries()),
      freeSlots: info.remainingDiscoverableCredentials ?? null,
      transports: info.transports ?? null,
    };
  } finally {
    await connection.close();
  }
}

/** Some keys refuse to count the tries of a PIN that they do not have. */
async function pinState(set: boolean, count: PinClient['retries']): Promise<PinState> {
  if (!set) return { set, retries: null, powerCycleNeeded: false };
  const { retries, powerCycleNeeded } = await count();
  return { set, retries, powerCycleNeeded };
}

function describe(error: Error): KeyReport['problem'] {
  return { message: error.message, hint: error instanceof TransportError ? (error.hint ?? null) : null };
}

function descriptorProblem({ usbProblem }: FidoDevice): KeyReport['problem'] {
  if (usbProblem === undefined) return null;
  return {
    message: `its USB descriptors cannot be read: ${usbProblem}`,
    hint: '`npm install usb` installs what reads them',
  };
}
