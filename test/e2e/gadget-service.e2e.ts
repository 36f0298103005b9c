// The service of a board in what its sandbox leaves it: root without a capability, no home, and nothing to write to but
// its folders and /sys. systemd is not this machine's first process, so the test draws these borders itself.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceUnit } from '../support/service-unit.ts';
import { hidrawNode, untilUnplugged } from './hidraw.ts';
import { makeVault, program } from './vault.ts';

/** ProtectSystem=strict, StateDirectory=, ProtectHome=yes, CapabilityBoundingSet= and NoNewPrivileges=yes. */
const sandbox = `
  mount --bind "$0" "$0" && mount -o remount,bind,ro / && mount -t tmpfs -o mode=000 none /root &&
  exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"`;

let folder: string;
let unit: ServiceUnit;
let service: ChildProcess | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-service-'));
  const places = { E: join(folder, 'etc'), S: join(folder, 'lib'), t: join(folder, 'run') };
  for (const place of Object.values(places)) mkdirSync(join(place, 'passfob'), { recursive: true, mode: 0o700 });
  unit = new ServiceUnit('passfob-gadget.service', places);
  const { env } = await makeVault();
  cpSync(env['PASSFOB_VAULT'] ?? '', unit.values('ConditionPathExists')[0] ?? '', { recursive: true });
});
afterEach(() => service?.kill('SIGKILL'));

function start() {
  const [command = ''] = unit.values('ExecStart');
  const environment = Object.entries(unit.environment).map(([name, value]) => `${name}=${value}`);
  const args = [program, ...command.split(' ').slice(1)];
  const child = spawn(
    'unshare',
    ['--mount', 'bash', '-c', sandbox, folder, 'env', '-i', ...environment, process.execPath, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  service = child;
  return { child, stderr: text(child.stderr), ended: once(child, 'exit') };
}

test('it makes its gadget there, and takes it along', async () => {
  const { child, stderr, ended } = start();
  const firstLine = await Promise.race([once(child.stdout, 'data'), ended.then(async () => expect.fail(await stderr))]);
  expect(String(firstLine)).toMatch(/^ready: gadget\n/);
  const node = await hidrawNode();
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(readdirSync('/sys/kernel/config/usb_gadget')).toEqual([]);
  await untilUnplugged(node);
});

test('its configuration file is that of the system', async () => {
  writeFileSync(join(folder, 'etc/passfob/config.json'), '{"colour": "blue"}');
  const { stderr, ended } = start();
  expect(await ended).toEqual([2, null]);
  expect(await stderr).toContain(`${folder}/etc/passfob/config.json: unknown setting "colour"`);
});
