// Exchanges with the key that are broken off in the middle, for a cable to be pulled then; and one that is not.

import { CtapHidClient } from '../../hid/host/ctaphid-client.ts';
import type { HostConnection } from '../../hid/host/host-connection.ts';
import { decodePacket, splitMessage } from '../../hid/packet.ts';
import { broadcastChannel, Command, KeepaliveStatus } from '../../hid/wire.ts';
import { CtapClient } from '../../src/platform/ctap-client.ts';
import type { Daemon } from './daemon.ts';

/** Resolves in the middle of the exchange. The daemon runs with `scripted` consent, the touch withheld. */
type HalfExchange = (host: HostConnection, daemon: Daemon) => Promise<void>;

/** 35 reports: many, and even an emulated machine under load has sent them before the client gives up waiting. */
const long = new Uint8Array(2000).fill(0x5a);

const registration = {
  clientDataHash: new Uint8Array(32),
  rp: { id: 'unplugged.example' },
  user: { id: Uint8Array.of(1), name: 'ada' },
  algorithms: [-7],
};

export const halfExchanges: Readonly<Record<string, HalfExchange>> = {
  INIT: async (host) => {
    for (const report of splitMessage(broadcastChannel, Command.INIT, new Uint8Array(8))) await host.send(report);
  },
  'a long PING on its way to the key': async (host) => {
    const { channel } = await CtapHidClient.connect(host);
    for (const report of splitMessage(channel, Command.PING, long).slice(0, 20)) await host.send(report);
  },
  'a long PING on its way back': async (host) => {
    const client = await CtapHidClient.connect(host);
    const begun = new Promise<void>((resolve) => {
      host.onReport((report) => {
        const packet = decodePacket(report);
        if (packet.kind === 'init' && packet.command === Command.PING) resolve();
      });
    });
    const answered = client.ping(long);
    answered.catch(() => {}); // Once it has begun, it is meant to break off.
    await Promise.race([begun, answered]);
  },
  getInfo: async (host) => {
    const client = await CtapHidClient.connect(host);
    new CtapClient(client).getInfo().catch(() => {});
  },
  'makeCredential that waits for the person': async (host, daemon) => {
    const client = await CtapHidClient.connect(host);
    new CtapClient(client).makeCredential(registration).catch(() => {});
    await daemon.printed(/waiting for a touch: register/);
  },
  'keepalive messages': async (host) => {
    const client = await CtapHidClient.connect(host);
    await new Promise<void>((resolve) => {
      let count = 0;
      const onKeepalive = (status: number) => {
        if (status === KeepaliveStatus.UPNEEDED && ++count === 3) resolve();
      };
      new CtapClient(client).makeCredential(registration, { onKeepalive }).catch(() => {});
    });
  },
};

/** A whole exchange, which must not find the key busy with the one before. */
export async function completeExchange(host: HostConnection): Promise<void> {
  const client = await CtapHidClient.connect(host);
  await new CtapClient(client).getInfo();
}
