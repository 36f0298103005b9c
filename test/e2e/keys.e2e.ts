// Security keys as a whole machine sees them: `passfob keys --all`, watched and by serial number; and several keys in
// one process, told apart by libfido2.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { deviceIdentity } from '../../src/transports.ts';
import { succeed } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { hidrawNodes } from './hidraw.ts';
import { makeCredential, startAssertion } from './libfido2.ts';
import { makeVault, program, type Vault } from './vault.ts';

type Json = Record<string, unknown>;

/** A command of the program that runs until it is told to end, and its lines. */
class Running {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown[]>;

  constructor({ env }: Vault, ...args: string[]) {
    this.process = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    if (!this.process.stdout) throw new Error('expected a pipe');
    this.#lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    this.#exited = once(this.process, 'exit');
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value ?? expect.fail('the command printed no further line');
  }

  async json(): Promise<Json> {
    return JSON.parse(await this.line()) as Json;
  }

  /** Ends the command as Ctrl-C does; resolves to its exit status, or signal. */
  async end(): Promise<unknown> {
    this.process.kill('SIGINT');
    const [code, signal] = await this.#exited;
    return code ?? signal;
  }
}

let daemon: Daemon | undefined;
let running: Running | undefined;
afterAll(() => daemon?.stop());
afterEach(async () => {
  await running?.end();
  running = undefined;
});

describe('every key of the machine', () => {
  beforeAll(async () => {
    daemon = await startDaemon();
  });

  test('is listed with what it tells, and answers by its serial number', async () => {
    const { node, passfob, env } = daemon ?? expect.fail('no daemon');
    const { path } = await node();
    const { serialNumber } = deviceIdentity(env['PASSFOB_VAULT'] ?? '');
    const found: unknown = JSON.parse(await passfob('keys', '--all', '--json'));
    expect(found).toMatchObject([
      {
        name: expect.stringContaining('passfob'),
        vendorId: 0x1209,
        productId: 0x0001,
        serialNumber,
        bus: 'uhid',
        path,
        usb: null,
        versions: expect.arrayContaining(['FIDO_2_1', 'U2F_V2']),
        pin: { set: false, retries: null, powerCycleNeeded: false },
        freeSlots: expect.any(Number),
        transports: ['usb'],
        problem: null,
      },
    ]);
    const info: unknown = JSON.parse(await passfob('info', '--device', serialNumber, '--json'));
    expect(info).toMatchObject({ versions: expect.arrayContaining(['FIDO_2_1']) });
  });

  test('is listed also for those who may not open it, with what helps', async () => {
    const { path } = await (daemon ?? expect.fail('no daemon')).node();
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const command = [process.execPath, program, 'keys', '--all', '--json'];
    const printed = await succeed('setpriv', [...nobody, ...command], {
      env: { ...process.env, HOME: '/nonexistent' },
    });
    expect(JSON.parse(printed)).toMatchObject([
      {
        path,
        serialNumber: expect.stringMatching(/^PF/),
        versions: null,
        problem: { message: `no permission to open ${path}`, hint: expect.stringContaining('udev') },
      },
    ]);
  });

  test('is reported when it comes and when it goes', async () => {
    const watched = daemon ?? expect.fail('no daemon');
    running = new Running(watched, 'keys', '--all', '--watch', '--json');
    const { path } = await watched.node();
    const present = await running.json();
    expect(present).toMatchObject({ event: 'present', path, problem: null });
    const { serialNumber } = present;

    await watched.control.replug();
    expect([await running.json(), await running.json()]).toMatchObject([
      { event: 'detach', serialNumber },
      { event: 'attach', serialNumber, versions: expect.arrayContaining(['FIDO_2_1']), problem: null },
    ]);

    await watched.stop();
    expect(await running.json()).toMatchObject({ event: 'detach', serialNumber });
    expect(await running.end()).toBe(0);
  });
});

test('two keys run in one process, with their own serial numbers and credentials', async () => {
  const vault = await makeVault();
  const config = join(vault.env['XDG_CONFIG_HOME'] ?? '', 'passfob');
  mkdirSync(config);
  const keys = {
    a: { vault: join(vault.folder, 'a'), serialNumber: 'SERIAL-A', productName: 'passfob A', consent: 'always' },
    b: { vault: join(vault.folder, 'b'), serialNumber: 'SERIAL-B', productName: 'passfob B', consent: 'always' },
  };
  writeFileSync(join(config, 'config.json'), JSON.stringify({ keys }));
  for (const { vault: copy } of Object.values(keys))
    cpSync(vault.env['PASSFOB_VAULT'] ?? '', copy, { recursive: true });

  running = new Running(vault, 'run', '--transport', 'uhid', '--key', 'a', '--key', 'b');
  expect(await running.line()).toBe('ready: a on uhid; b on uhid');
  await vi.waitFor(() => expect(hidrawNodes()).toHaveLength(2), { timeout: 30_000, interval: 50 });
  await succeed('udevadm', ['settle', '--timeout=30']);

  const found = JSON.parse(await vault.passfob('keys', '--all', '--json')) as Json[];
  const nodes = ['SERIAL-A', 'SERIAL-B'].map((serial) =>
    String(found.find(({ serialNumber }) => serialNumber === serial)?.['path']),
  );
  const [a = '', b = ''] = nodes;
  const listed = await succeed('fido2-token', ['-L']);
  for (const node of nodes) {
    expect(listed).toContain(`${node}: `);
    expect(await succeed('fido2-token', ['-I', node])).toContain('FIDO_2_1');
  }

  await makeCredential(a, 'several.example', 'alice', '-r');
  expect((await startAssertion(a, 'several.example', undefined).finished).code).toBe(0);
  expect(await startAssertion(b, 'several.example', undefined).finished).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('FIDO_ERR_NO_CREDENTIALS'),
  });
  expect(JSON.parse(await vault.passfob('credentials', 'list', '--key', 'a', '--json'))).toHaveLength(1);
});
