// passfob metadata.

import type { Command } from 'commander';
import { openAttestation } from '../attestation.ts';
import { loadConfig, type Settings } from '../config.ts';
import { keySetupOf } from '../key-setup.ts';
import { metadataStatement } from '../metadata.ts';
import { requireVault } from './key-session.ts';
import { printJson } from './output.ts';

export function addMetadataCommand(program: Command): void {
  program
    .command('metadata')
    .description('print the FIDO metadata statement, by which a relying party can let this key in by name')
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
  const root = hasCertificate ? (await openAttestation(vaultDirectory, setup.policy.aaguid)).root : undefined;
  printJson(await metadataStatement(setup, root));
}
