// passfob metadata.

import type { Command } from 'commander';
import { loadConfig, type Settings } from '../config.ts';
import { type KeySetup, keySetupOf } from '../key-setup.ts';
import { metadataStatement } from '../metadata.ts';
import { printJson } from './output.ts';
import { requireVault } from './require-vault.ts';

export function defineMetadata(command: Command): void {
  command
    .option('--key <name>', 'a key of the configuration file, with its vault and settings')
    .option('--vault <dir>', 'whose attestation certificate it is about, with --attestation certificate')
    .option('--profile <profile>', 'compatible or full (default: compatible)')
    .option('--attestation <kind>', 'self, certificate or none (default: self)')
    .action(metadata);
}

async function metadata(flags: Settings): Promise<void> {
  const config = loadConfig(flags);
  const { vaultDirectory, attestation, enterprise } = config;
  const hasCertificate = attestation === 'certificate' || enterprise !== undefined;
  if (hasCertificate) requireVault(vaultDirectory);
  const setup = await keySetupOf(config);
  printJson(await metadataStatement(setup, hasCertificate ? await rootOf(vaultDirectory, setup) : undefined));
}

async function rootOf(vaultDirectory: string, { policy }: KeySetup): Promise<Uint8Array> {
  // Loaded only here: what makes certificates is large.
  const { openAttestation } = await import('../attestation.ts');
  return (await openAttestation(vaultDirectory, policy.aaguid)).root;
}
