import { describe, expect, it } from 'vitest';
import { TransportError } from '../../../hid/transport-error.ts';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { describeTransport, report } from './contract.ts';

describe('LoopbackTransport', () => {
  describeTransport({
    create: () => new LoopbackTransport(),
    connect: async (transport) => transport.connect(),
    noticesAbsence: true,
  });

  it('lets nobody in before it is open', () => {
    expect(() => new LoopbackTransport().connect()).toThrow(
      new TransportError('no-device', 'the loopback device is not open'),
    );
  });

  it('refuses to send on an unplugged cable', async () => {
    const transport = new LoopbackTransport();
    await transport.open(() => expect.fail('nothing was sent'));
    const host = transport.connect();
    await transport.close();
    expect(() => host.send(report(0))).toThrow('the loopback cable is unplugged');
  });

  it('speaks to nobody who is still speaking', async () => {
    const transport = new LoopbackTransport();
    let isSpeaking = true;
    const heard = new Promise<boolean>((resolve) => transport.open(() => resolve(isSpeaking)));
    transport.connect().send(report(0));
    isSpeaking = false;
    expect(await heard).toBe(false);
  });
});
