// Where channel ids come from. One source serves all devices of a process, so that a channel's number alone names the
// pair of device and channel.

import { broadcastChannel, reservedChannel } from './wire.ts';

/** An endless source of ids that counts up from `start` (32 bits) and leaves out 00000000 and FFFFFFFF. */
export function channelIds(start: number): () => number {
  let id = start >>> 0;
  return () => {
    do id = (id + 1) >>> 0;
    while (id === reservedChannel || id === broadcastChannel);
    return id;
  };
}

/** The next id of this process. It starts at random, so that a channel of an earlier run is not taken for a new one. */
export const nextChannelId: () => number = channelIds(
  new DataView(crypto.getRandomValues(new Uint8Array(4)).buffer).getUint32(0),
);
