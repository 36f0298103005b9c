import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { Command, descriptor, Key, map } from '../../support/key.ts';
import { PinClient } from '../../support/pin-client.ts';
import { authenticateApdu, sha256 } from '../../support/platform.ts';

async function keyWithCredentials() {
  const key = new Key();
  const discoverable = await key.register({ 7: map({ rk: true }) });
  const sealed = await key.register();
  return { key, discoverable, sealed };
}

describe('authenticatorReset', () => {
  it('makes every credential void, after asking', async () => {
    const { key, discoverable, sealed } = await keyWithCredentials();
    expect((await key.send(Command.reset)).status).toBe(Status.OK);
    expect(key.gate.prompts.at(-1)).toEqual({ kind: 'reset' });
    expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
    for (const { credentialId } of [discoverable, sealed]) {
      expect((await key.getAssertion({ 3: [descriptor(credentialId)] })).status).toBe(Status.NO_CREDENTIALS);
      const apdu = authenticateApdu(0x07, sha256(''), sha256('example.org'), credentialId);
      expect((await key.u2f(apdu)).word).toBe(0x6a80);
    }
  });

  it('RST-05: asks for more after enableLongTouchForReset, until it is carried out', async () => {
    const key = new Key();
    expect(await new PinClient(key).config(0x04)).toBe(Status.OK);
    key.gate.script = 'declined';
    expect((await key.send(Command.reset)).status).toBe(Status.OPERATION_DENIED);
    expect(key.gate.prompts).toEqual([{ kind: 'reset', long: true }]);
    key.gate.script = 'approved';
    for (const long of [true, undefined]) {
      expect((await key.send(Command.reset)).status).toBe(Status.OK);
      expect(key.gate.prompts.at(-1)).toEqual({ kind: 'reset', ...(long && { long }) });
    }
  });

  it('does not set the signature counter back', async () => {
    const { key, sealed } = await keyWithCredentials();
    await key.send(Command.reset);
    expect((await key.register()).data.signCount).toBeGreaterThan(sealed.data.signCount);
  });

  it('is allowed until exactly ten seconds after power-up, and not asked about later', async () => {
    const key = new Key();
    key.environment.clock.time += 10_000;
    expect((await key.send(Command.reset)).status).toBe(Status.OK);
    key.environment.clock.time += 1;
    expect((await key.send(Command.reset)).status).toBe(Status.NOT_ALLOWED);
    expect(key.gate.prompts).toHaveLength(1);
  });

  it('is allowed again after a power cycle', async () => {
    const key = new Key();
    key.environment.clock.time += 60_000;
    key.authenticator.powerCycle();
    expect((await key.send(Command.reset)).status).toBe(Status.OK);
  });

  for (const [answer, status] of [
    ['declined', Status.OPERATION_DENIED],
    ['timed-out', Status.USER_ACTION_TIMEOUT],
    ['cancelled', Status.KEEPALIVE_CANCEL],
  ] as const) {
    it(`loses nothing when ${answer}`, async () => {
      const { key, discoverable, sealed } = await keyWithCredentials();
      key.gate.script = answer;
      expect((await key.send(Command.reset)).status).toBe(status);
      key.gate.script = 'approved';
      await key.signIn([discoverable]);
      await key.signIn([sealed], { 3: [descriptor(sealed.credentialId)] });
    });
  }
});
