// What the configuration makes of the authenticator: its policy, and the attestation keys it may use.

import type { Environment } from '../ctap/env.ts';
import { defaultPolicy, type Policy, profiles } from '../ctap/policy.ts';
import { openAttestation } from './attestation.ts';
import type { Config } from './config.ts';

export interface KeySetup extends Pick<Environment, 'attestation' | 'enterpriseAttestation'> {
  readonly policy: Policy;
}

export function policyOf({ profile, attestation, credentialKind, relyingParties, enterprise }: Config): Policy {
  return Object.freeze({
    ...defaultPolicy,
    ...profiles[profile],
    attestsByDefault: attestation !== 'none',
    enterpriseRpIds: enterprise?.rpIds ?? [],
    credentialKind,
    credentialKindOf: new Map(Object.entries(relyingParties).map(([rpId, chosen]) => [rpId, chosen.credentialKind])),
  });
}

/** Makes the attestation of the vault if the configuration wants one and there is none. @throws UserError */
export async function keySetupOf(config: Config): Promise<KeySetup> {
  const policy = policyOf(config);
  const { attestation, enterprise, vaultDirectory } = config;
  if (attestation !== 'certificate' && !enterprise) return { policy };
  const keys = await openAttestation(vaultDirectory, policy.aaguid);
  return {
    policy,
    ...(attestation === 'certificate' && { attestation: keys.model }),
    ...(enterprise && { enterpriseAttestation: keys.enterprise }),
  };
}
