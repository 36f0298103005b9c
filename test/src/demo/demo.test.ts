import { describe, expect, it } from 'vitest';
import type { Prompt } from '../../../ctap/env.ts';
import { type DemoKey, runDemo } from '../../../src/demo/demo.ts';
import { RelyingPartyClient } from '../../../src/demo/relying-party-client.ts';
import { type CborChannel, CtapClient } from '../../../src/platform/ctap-client.ts';
import { createCredential } from '../../../src/platform/webauthn-client.ts';
import { DirectChannel } from '../platform/direct-channel.ts';

/** A key whose every request is approved; `open` tells whether a connection to it is. */
class TestKey implements DemoKey {
  readonly name = 'loopback';
  readonly visibleToBrowsers: boolean;
  readonly why = 'there is no /dev/uhid';
  readonly channel = new DirectChannel();
  open = 0;
  #approved: (prompt: Prompt) => void = () => {};

  constructor(visibleToBrowsers = false) {
    this.visibleToBrowsers = visibleToBrowsers;
  }

  onApproved(listener: (prompt: Prompt) => void): void {
    this.#approved = listener;
  }

  async connect() {
    this.open++;
    const { gate } = this.channel.environment;
    const cbor: CborChannel['cbor'] = async (request, options) => {
      const asked = gate.prompts.length;
      const answer = await this.channel.cbor(request, options);
      gate.prompts.slice(asked).forEach(this.#approved);
      return answer;
    };
    return {
      cbor,
      close: async () => {
        this.open--;
      },
    };
  }
}

function start(key: DemoKey, once = false) {
  const lines: string[] = [];
  const controller = new AbortController();
  const waiting: { text: string; resolve: () => void }[] = [];
  const print = (line: string) => {
    lines.push(line);
    for (const { resolve } of waiting.filter(({ text }) => line.includes(text))) {
      resolve();
    }
  };
  const printed = (text: string) =>
    lines.some((line) => line.includes(text))
      ? Promise.resolve()
      : new Promise<void>((resolve) => {
          waiting.push({ text, resolve });
        });
  const ended = runDemo({ once, port: 0, print, signal: controller.signal, key });
  return { lines, ended, printed, stop: () => controller.abort() };
}

describe('the demo without a browser', () => {
  it('signs up and in both ways, and says so', async () => {
    const key = new TestKey();
    const { lines, ended } = start(key);
    await ended;

    const text = lines.join('\n');
    expect(lines.filter((line) => /^\d/.test(line))).toEqual([
      '1  ask the key what it is',
      '2  register ada: not discoverable, without attestation',
      '3  register bob: discoverable, with attestation',
      '4  sign in as ada',
      '5  sign in without a user name',
    ]);
    expect(text).toContain('there is no /dev/uhid');
    expect(text).toContain('f09a41a5-2352-4e64-8438-a09860401cfb');
    expect(text).toMatch(/attestation +none\n/);
    expect(text).toMatch(/attestation +packed, self\n/);
    expect(text).toMatch(/the key says +bob\n/);
    expect(text).toMatch(/key approved +register ada at localhost\n/);
    expect(text).toContain('`passfob run`');
    expect(key.open).toBe(0);
  });

  it('also where a browser could see the key, if asked for', async () => {
    const { lines, ended } = start(new TestKey(true), true);
    await ended;

    expect(lines.at(-1)).toContain('passfob run');
  });

  it('names the step that failed, and why', async () => {
    const key = new TestKey();
    key.channel.environment.gate.script = 'declined';

    await expect(start(key).ended).rejects.toThrow(
      'step 2 failed (register ada: not discoverable, without attestation): the request was declined',
    );
    expect(key.open).toBe(0);
  });

  it('notices a counter that stands still', async () => {
    const key = new TestKey();
    key.channel.environment.vault.nextSignCount = () => 5;

    await expect(start(key).ended).rejects.toThrow(/^step 4 failed .*counter/);
  });

  it('ends when it is told to', async () => {
    const key = new TestKey();
    const { gate } = key.channel.environment;
    gate.script = 'nothing';
    const { ended, stop } = start(key);
    await gate.nextPrompt;

    stop();

    await expect(ended).rejects.toThrow('step 2 failed');
    expect([key.open, gate.open]).toEqual([0, 0]);
  });
});

describe('the demo for browsers', () => {
  it('shows the address, tells what happens there, and ends with the signal', async () => {
    const key = new TestKey(true);
    const { lines, ended, printed, stop } = start(key);
    await printed('http://localhost:');
    const url = lines.join(' ').match(/http:\/\/localhost:\d+/)?.[0] ?? '';

    const page = new RelyingPartyClient(url);
    const options = await page.registrationOptions({ userName: 'ada', attestation: 'direct' });
    await page.register(await createCredential(new CtapClient(await key.connect()), options, { origin: url }));
    await expect(page.signInOptions({ userName: 'bob' })).rejects.toThrow('nobody is registered here as "bob"');
    await printed('refused');
    stop();
    await ended;

    expect(lines).toContainEqual(expect.stringMatching(/registered +ada \(ES256, attestation packed, counter 1\)/));
    expect(lines).toContainEqual(expect.stringMatching(/refused .*bob/));
    await expect(fetch(url)).rejects.toThrow();
  });

  it('ends at once if the signal has aborted', async () => {
    const signal = AbortSignal.abort();

    await runDemo({ once: false, port: 0, print: () => {}, signal, key: new TestKey(true) });
  });
});
