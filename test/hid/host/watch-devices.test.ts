import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type DeviceEvent, type DeviceWatch, watchDevices } from '../../../hid/host/watch-devices.ts';
import { FakeMachine, hidKey, uhidLink } from './fake-machine.ts';

let machine: FakeMachine;
let events: string[];
let errors: Error[];
let watch: DeviceWatch;
beforeEach(async () => {
  vi.useFakeTimers();
  machine = new FakeMachine();
  machine.hid = [hidKey];
  machine.links.set('/dev/hidraw0', uhidLink);
  events = [];
  errors = [];
  const onEvent = ({ event, device }: DeviceEvent) => events.push(`${event} ${device.path}`);
  watch = await watchDevices(onEvent, (error) => errors.push(error), machine);
});
afterEach(() => {
  watch.stop();
  vi.useRealTimers();
});

/** As a system does: more than one signal for one change. */
async function changed(): Promise<void> {
  machine.change?.();
  machine.change?.();
  await vi.runAllTimersAsync();
}

it('says what was there when it began, and reports nothing of it', async () => {
  expect(watch.present).toMatchObject([{ path: '/dev/hidraw0' }]);
  await changed();
  expect(events).toEqual([]);
});

it('reports a key once that is attached, and once that is detached', async () => {
  machine.hid = [hidKey, { ...hidKey, path: '/dev/hidraw1' }];
  await changed();
  machine.hid = [{ ...hidKey, path: '/dev/hidraw1' }];
  await changed();
  expect(events).toEqual(['attach /dev/hidraw1', 'detach /dev/hidraw0']);
});

it('reports a key that was replugged faster than the list was read', async () => {
  machine.links.set('/dev/hidraw0', uhidLink.replace('0005/', '0006/'));
  await changed();
  expect(events).toEqual(['detach /dev/hidraw0', 'attach /dev/hidraw0']);
});

it('goes on after a list that could not be read', async () => {
  machine.hid = [new Error('not now')];
  await changed();
  expect(errors).toMatchObject([{ message: 'not now' }]);
  machine.hid = [];
  await changed();
  expect(events).toEqual(['detach /dev/hidraw0']);
});

it('reports nothing once it is stopped', async () => {
  const { change } = machine;
  machine.hid = [];
  change?.();
  watch.stop();
  await vi.runAllTimersAsync();
  expect(events).toEqual([]);
  expect(machine.change).toBeUndefined();
});

it('does not go on watching where the first list cannot be read', async () => {
  const broken = new FakeMachine();
  broken.hid = [new Error('no list')];
  await expect(watchDevices(vi.fn(), vi.fn(), broken)).rejects.toThrow('no list');
  expect(broken.change).toBeUndefined();
});
