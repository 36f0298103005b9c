// The keys that this user has configured, and how each one is.

import { vaultExists } from '../../store/vault.ts';
import { keyNames, loadConfig } from '../config.ts';
import { controlSocketPath } from '../control/address.ts';
import { ControlClient } from '../control/client.ts';
import type { DaemonStatus } from '../control/protocol.ts';
import { deviceIdentity } from '../transports.ts';

export interface ConfiguredKey {
  /** Null for the key without a name. */
  readonly name: string | null;
  readonly vault: string;
  /** Whether the vault has been made. */
  readonly exists: boolean;
  /** The process that is the key now. */
  readonly pid: number | null;
  /** Whether that process has the vault locked; null if there is none. */
  readonly locked: boolean | null;
  /** Those of the running daemon; otherwise those that it would have. */
  readonly transports: readonly string[];
  readonly productName: string;
  readonly serialNumber: string;
  /** How many there are; null if no process has the vault open. */
  readonly credentials: number | null;
  /** Why a daemon that is there could not be asked, or the vault not be looked at. */
  readonly problem: string | null;
}

/** The key without a name, if it is there or there are no others, then the others in the order of the file. */
export async function configuredKeys(): Promise<ConfiguredKey[]> {
  const names = keyNames();
  const keys = await Promise.all([undefined, ...names].map(configuredKey));
  return keys.filter(({ name, exists }) => name !== null || exists || names.length === 0);
}

async function configuredKey(name: string | undefined): Promise<ConfiguredKey> {
  const config = loadConfig({ key: name });
  const { vaultDirectory: vault } = config;
  const { productName, serialNumber } = deviceIdentity(vault, config);
  const { exists, obstacle } = lookFor(vault);
  const { daemon, problem } = await askDaemon(vault);
  return {
    name: name ?? null,
    vault,
    exists,
    pid: daemon?.pid ?? null,
    locked: daemon?.locked ?? null,
    transports: daemon?.transports ?? config.transports,
    productName,
    serialNumber,
    credentials: daemon?.credentials ?? null,
    problem: problem ?? obstacle,
  };
}

/** One that this user may not look at is there. */
function lookFor(vault: string): { exists: boolean; obstacle: string | null } {
  try {
    return { exists: vaultExists(vault), obstacle: null };
  } catch (error) {
    return { exists: true, obstacle: (error as Error).message };
  }
}

async function askDaemon(vault: string): Promise<{ daemon: DaemonStatus | undefined; problem: string | null }> {
  try {
    return { daemon: await new ControlClient(controlSocketPath(vault)).status(), problem: null };
  } catch (error) {
    return { daemon: undefined, problem: (error as Error).message };
  }
}
