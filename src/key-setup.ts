// What the configuration makes of the authenticator: its policy, and the attestation keys it may use.

import type { Environment } from '../ctap/env.ts';
import { defaultPolicy, type Policy, profiles } from '../ctap/policy.ts';
import type { ExtensionName } from '../ctap/wire.ts';
import type { Config } from './config.ts';

export interface KeySetup extends Pick<Environment, 'attestation' | 'enterpriseAttestation'> {
  readonly policy: Policy;
}

export function policyOf({
  profile,
  attestation,
  resetWindow,
  credentialKind,
  relyingParties,
  enterprise,
  extensions,
}: Config): Policy {
  const switches: Partial<Record<ExtensionName, boolean>> = extensions;
  return Object.freeze({
    ...defaultPolicy,
    ...profiles[profile],
    attestsByDefault: attestation !== 'none',
    ...(resetWindow === 'always' && { resetWindowMs: Number.POSITIVE_INFINITY }),
    extensions: defaultPolicy.extensions.filter((name) => switches[name] !== false),
    enterpriseRpIds: enterprise?.rpIds ?? [],
    credentialKind,
    credentialKindOf: new Map(Object.entries(relyingParties).map(([rpId, chosen]) => [rpId, chosen.credentialKind])),
  });
}

/** Makes the attestation of the vault if the configuration wants one and there is none. @throws UserError */
export async function keySetupOf(config: Config): Promise<KeySetup> {
  const policy = policyOf(config);
  return { policy, ...(await attestationKeys(config, policy)) };
}

/** Loaded only where they are needed, since certificates take much code. */
async function attestationKeys(config: Config, { aaguid }: Policy): Promise<Omit<KeySetup, 'policy'>> {
  const { attestation, enterprise, vaultDirectory } = config;
  if (attestation !== 'certificate' && !enterprise) return {};
  const { openAttestation } = await import('./attestation.ts');
  const keys = await openAttestation(vaultDirectory, aaguid);
  return {
    ...(attestation === 'certificate' && { attestation: keys.model }),
    ...(enterprise && { enterpriseAttestation: keys.enterprise }),
  };
}
