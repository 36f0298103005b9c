// Security keys that come and go, as it happens.

import { type FidoDevice, findDevices } from './find-device.ts';
import { type HostMachine, thisMachine } from './this-machine.ts';

export interface DeviceEvent {
  readonly event: 'attach' | 'detach';
  readonly device: FidoDevice;
}

/** One device is several events, of its bus and of its node: the list is read when they have ended. */
const quietMs = 200;

export interface DeviceWatch {
  /** The devices that were there when the watch began. */
  readonly present: readonly FidoDevice[];
  stop(): void;
}

/**
 * Calls `onEvent` for every security key that is attached or detached from now on, one after the other, in the order
 * in which the system's lists show it: a key that is replugged is detached first. `onError` is told what keeps a list
 * from being read; the watch goes on.
 * @throws TransportError where this machine cannot be watched
 */
export async function watchDevices(
  onEvent: (event: DeviceEvent) => void,
  onError: (error: Error) => void,
  machine: HostMachine = thisMachine,
): Promise<DeviceWatch> {
  let known: readonly FidoDevice[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;

  const compare = async () => {
    const before = known;
    const found = await findDevices(machine);
    if (isStopped) return;
    known = found;
    for (const device of missing(before, found)) onEvent({ event: 'detach', device });
    for (const device of missing(found, before)) onEvent({ event: 'attach', device });
  };
  let last: Promise<unknown> = Promise.resolve();
  const stopWatching = await machine.watch(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      last = last.then(compare).catch(onError);
    }, quietMs);
  });
  const stop = () => {
    isStopped = true;
    clearTimeout(timer);
    stopWatching();
  };
  try {
    // Listed when the watch has begun, so that nothing comes unseen in between.
    const first = findDevices(machine);
    last = first;
    known = await first;
    return { present: known, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

/** Those of `devices` that `others` lacks. */
function missing(devices: readonly FidoDevice[], others: readonly FidoDevice[]): FidoDevice[] {
  return devices.filter(({ path, instance }) => !others.some((o) => o.path === path && o.instance === instance));
}
