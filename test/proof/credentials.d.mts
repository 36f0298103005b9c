// Types of credentials.mjs, which the workers run as it is.
import type { Credential } from '../../ctap/env.ts';
export function credentialOf(id: string, version: number): Credential;
export function numbers(seed: number): (n: number) => number;
