// The systemd service of a board, on paper. Its sandbox is met in test/e2e/gadget-service.e2e.ts.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { ServiceUnit } from '../support/service-unit.ts';

/** As systemd has them for a service of the system. */
const unit = new ServiceUnit('passfob-gadget.service', { E: '/etc', S: '/var/lib', t: '/run' });
const { environment: env } = unit;

it('looks for nothing in a home, which it may not enter', () => {
  const noFolder = fileURLToPath(import.meta.url);
  const { vaultDirectory, consent } = loadConfig({}, { env, home: noFolder });
  expect([vaultDirectory, consent]).toEqual(['/var/lib/passfob/vault', 'scripted']);
  expect(unit.values('ConditionPathExists')).toEqual([vaultDirectory]);
});

it('does not start again and again with a configuration that is wrong', () => {
  expect(unit.values('RestartPreventExitStatus')).toEqual(['2']);
});

it('finds the vault and the socket where its page has the command `fob` look', () => {
  const page = readFileSync(new URL('../../docs/raspberry-pi.md', import.meta.url), 'utf8');
  const [, assignments] = /exec sudo env (.*) passfob "\$@"/.exec(page) ?? [];
  const places = Object.entries(env).filter(([name]) => name.startsWith('XDG_'));
  expect(assignments?.split(' ').sort()).toEqual(places.map((place) => place.join('=')).sort());
});
