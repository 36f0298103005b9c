// The PIN of a daemon's key, set and looked at past the browser under test.

import { Permission } from '../../ctap/wire.ts';
import { CtapClient } from '../../src/platform/ctap-client.ts';
import { PinClient } from '../../src/platform/pin-client.ts';
import type { Daemon } from './daemon.ts';

export interface KeyPin {
  isSet(): Promise<boolean>;
  set(pin: string): Promise<void>;
  /** The tries that are left. */
  tries(): Promise<number>;
  /** Spends a try if it is wrong. */
  isRight(pin: string): Promise<boolean>;
}

export function keyPin({ control }: Daemon): KeyPin {
  const ctap = new CtapClient({ cbor: (request) => control.ctap(request) });
  const client = async () => new PinClient(ctap, await ctap.getInfo());
  return {
    isSet: async () => (await ctap.getInfo()).options.get('clientPin') === true,
    set: async (pin) => (await client()).setPin(pin),
    tries: async () => (await (await client()).retries()).retries,
    isRight: async (pin) =>
      (await client()).getToken(pin, { permissions: Permission.cm }).then(
        () => true,
        () => false,
      ),
  };
}
