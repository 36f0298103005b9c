// Which keys `passfob run` is to be: the one without a name, those that flags name, or all of the configuration file.

import { type Config, keyNames, loadConfig, type Settings } from '../config.ts';
import { controlSocketPath } from '../control/address.ts';
import { exitCode, UserError } from '../errors.ts';
import { deviceIdentity } from '../transports.ts';

export interface KeyChoice extends Omit<Settings, 'key'> {
  readonly key?: readonly string[] | undefined;
  readonly allKeys?: boolean | undefined;
}

/** The configurations of the chosen keys; at least one. @throws UserError */
export function chosenKeys({ key, allKeys, ...flags }: KeyChoice): Config[] {
  const names = allKeys ? keyNames() : key;
  if (names === undefined) return [loadConfig(flags)];
  if (names.length === 0) {
    throw new UserError('the configuration file names no keys', 'see docs/cli.md, "Several keys"', exitCode.usage);
  }
  const configs = names.map((name) => loadConfig({ ...flags, key: name }));
  refuseShared(configs, 'the vault', ({ vaultDirectory }) => controlSocketPath(vaultDirectory));
  refuseShared(configs, 'the serial number', (config) => deviceIdentity(config.vaultDirectory, config).serialNumber);
  return configs;
}

/** Hosts tell keys apart by their serial numbers, and commands by their vaults. */
function refuseShared(configs: readonly Config[], what: string, read: (config: Config) => string): void {
  const owners = new Map<string, Config>();
  for (const config of configs) {
    const owner = owners.get(read(config));
    if (owner) {
      throw new UserError(
        `the keys "${owner.keyName}" and "${config.keyName}" share ${what}`,
        'name a key once, and give each its own in the configuration file',
        exitCode.usage,
      );
    }
    owners.set(read(config), config);
  }
}
