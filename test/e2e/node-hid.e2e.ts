// The project's own client, through node-hid, talking to the project's own key: `passfob info --device` and
// `passfob pin --device`.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, startDaemon } from './daemon.ts';

let daemon: Daemon;

beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon?.stop());

test('reads over the device what the daemon says of itself', async () => {
  const { path } = await daemon.node();
  const overTheDevice: unknown = JSON.parse(await daemon.passfob('info', '--device', path, '--json'));
  const fromTheDaemon: unknown = JSON.parse(await daemon.passfob('info', '--json'));
  expect(overTheDevice).toMatchObject({ versions: expect.arrayContaining(['FIDO_2_0']) });
  expect(overTheDevice).toEqual(fromTheDaemon);
  expect(await daemon.credentials()).toEqual([]);
});

test('asks over the device for the state of the PIN', async () => {
  const { path } = await daemon.node();
  const status: unknown = JSON.parse(await daemon.passfob('pin', 'status', '--device', path, '--json'));
  expect(status).toEqual({ set: false, retries: null, powerCycleNeeded: false, minLength: 4, forceChange: false });
});
