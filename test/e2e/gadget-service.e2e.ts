// The service of a board in what its sandbox leaves it: root without a capability, no home, and nothing to write to but
// its folders and /sys. systemd is not this machine's first process, so the test draws these borders itself.

import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceUnit } from '../support/service-unit.ts';
import { type RunningCommand, start } from './command.ts';
import { hidrawNode, untilUnplugged } from './hidraw.ts';
import { makeVault, program } from './vault.ts';

/** ProtectSystem=strict, StateDirectory=, ProtectHome=yes, CapabilityBoundingSet= and NoNewPrivileges=yes. */
const sandbox = `
  mount --bind "$0" "$0" && mount -o remount,bind,ro / && mount -t tmpfs -o mode=000 none /root &&
  exec setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"`;

let folder: string;
let unit: ServiceUnit;
let service: RunningCommand | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-service-'));
  const places = { E: join(folder, 'etc'), S: join(folder, 'lib'), t: join(folder, 'run') };
  for (const place of Object.values(places)) mkdirSync(join(place, 'passfob'), { recursive: true, mode: 0o700 });
  unit = new ServiceUnit('passfob-gadget.service', places);
  const { env } = await makeVault();
  cpSync(env['PASSFOB_VAULT'] ?? '', unit.values('ConditionPathExists')[0] ?? '', { recursive: true });
});
afterEach(() => service?.process.kill('SIGKILL'));

function startService(): RunningCommand {
  const [command = ''] = unit.values('ExecStart');
  const environment = Object.entries(unit.environment).map(([name, value]) => `${name}=${value}`);
  const run = [process.execPath, program, ...command.split(' ').slice(1)];
  service = start('unshare', ['--mount', 'bash', '-c', sandbox, folder, 'env', '-i', ...environment, ...run]);
  return service;
}

test('it makes its gadget there, and takes it along', async () => {
  const { process: child, finished } = startService();
  const printed = child.stdout ? once(child.stdout, 'data') : undefined;
  const firstLine = await Promise.race([printed, finished.then(({ stderr }) => expect.fail(stderr))]);
  expect(String(firstLine)).toBe('ready: gadget\n');
  const node = await hidrawNode();
  child.kill('SIGTERM');
  expect(await finished).toMatchObject({ code: 0, signal: null });
  expect(readdirSync('/sys/kernel/config/usb_gadget')).toEqual([]);
  await untilUnplugged(node);
});

test('its configuration file is that of the system', async () => {
  writeFileSync(join(folder, 'etc/passfob/config.json'), '{"colour": "blue"}');
  const { code, stderr } = await startService().finished;
  expect(code).toBe(2);
  expect(stderr).toContain(`${folder}/etc/passfob/config.json: unknown setting "colour"`);
});
