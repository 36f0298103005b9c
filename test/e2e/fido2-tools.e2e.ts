// libfido2, which most programs on Linux use to talk to keys, through its own command-line tools.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { succeed } from './command.ts';
import { type Daemon, startDaemon, transports } from './daemon.ts';
import { makeCredential, startAssertion, verifyAssertion, verifyCredential } from './libfido2.ts';

describe.each(transports)('over %s', (transport) => {
  let daemon: Daemon;
  let node: string;

  beforeAll(async () => {
    daemon = await startDaemon({ transport });
    node = (await daemon.node()).path;
  });
  afterAll(() => daemon?.stop());

  test('fido2-token -L lists the key with its vendor and product', async () => {
    expect(await succeed('fido2-token', ['-L'])).toMatch(`${node}: vendor=0x1209, product=0x0001 `);
  });

  test("udev's own rule knows the key as a FIDO token and opens it to the person at the screen", async () => {
    const properties = await succeed('udevadm', ['info', '--query=property', node]);
    expect(properties).toMatch(/^ID_FIDO_TOKEN=1$/m);
    expect(properties).toMatch(/^TAGS=.*:uaccess:/m);
  });

  test('fido2-token -I reads what the key can do', async () => {
    const info = await succeed('fido2-token', ['-I', node]);
    expect(info).toMatch(/^version strings:.*FIDO_2_0/m);
    expect(info).toMatch(/^version strings:.*U2F_V2/m);
    expect(info).toMatch(/^aaguid: f09a41a523524e648438a09860401cfb$/m);
    expect(info).toMatch(/^options:.*\brk\b/m);
    expect(info).toMatch(/^options:.*\bup\b/m);
  });

  describe('a credential that is not discoverable', () => {
    test.each([
      { way: 'over CTAP2', options: [], format: 'packed' },
      { way: 'over U2F', options: ['-u'], format: 'fido-u2f' },
    ])('is made and used $way, verified by libfido2, and takes no room in the vault', async ({ options, format }) => {
      const credential = await makeCredential(node, 'example.com', 'ada', ...options);
      expect(credential.format).toBe(format);
      const publicKey = await verifyCredential(credential, daemon.folder);
      const { code, stdout } = await startAssertion(node, 'example.com', credential.id, ...options).finished;
      expect(code).toBe(0);
      await verifyAssertion(stdout, publicKey);
      expect((await daemon.control.list()).credentials).toEqual([]);
    });

    test('made over U2F signs over CTAP2', async () => {
      const credential = await makeCredential(node, 'example.com', 'ada', '-u');
      const publicKey = await verifyCredential(credential, daemon.folder);
      const { stdout } = await startAssertion(node, 'example.com', credential.id).finished;
      await verifyAssertion(stdout, publicKey);
    });

    test('is of no use to another relying party', async () => {
      const { id } = await makeCredential(node, 'example.com', 'ada');
      const { code, stderr } = await startAssertion(node, 'example.org', id).finished;
      expect(code).toBe(1);
      expect(stderr).toContain('FIDO_ERR_NO_CREDENTIALS');
    });
  });

  test('a discoverable credential signs without being named, and is in the vault', async () => {
    const credential = await makeCredential(node, 'discoverable.example', 'grace', '-r');
    const publicKey = await verifyCredential(credential, daemon.folder);
    const { code, stdout } = await startAssertion(node, 'discoverable.example', undefined).finished;
    expect(code).toBe(0);
    await verifyAssertion(stdout, publicKey);
    expect(await daemon.credentials()).toMatchObject([
      {
        id: Buffer.from(credential.id, 'base64').toString('base64url'),
        rpId: 'discoverable.example',
        userName: 'grace',
        discoverable: true,
        algorithm: -7,
      },
    ]);
  });
});
