// What both ceremonies of the WebAuthn client share: who calls, client data, user verification, time, failures.

import { createHash } from 'node:crypto';
import type { UserEntity } from '../../ctap/env.ts';
import type { StatusName } from '../../ctap/status.ts';
import type { AuthenticatorInfo } from './authenticator-info.ts';
import type { CtapClient, RequestOptions } from './ctap-client.ts';
import { CtapStatusError } from './ctap-status-error.ts';
import { WebAuthnError, type WebAuthnErrorName } from './webauthn-error.ts';

/** On whose behalf a ceremony runs. */
export interface Caller {
  /** The page's origin, e.g. `https://example.com`: its word is taken. */
  readonly origin: string;
  readonly signal?: AbortSignal;
  /** As in `RequestOptions`. */
  readonly onKeepalive?: (status: number) => void;
  /** Picks one of several accounts by its index; without it the first, which is the newest, signs in. */
  chooseAccount?(accounts: readonly (UserEntity | undefined)[]): Promise<number>;
}

/** Used where the relying party names no timeout; also the least that WebAuthn §15.1 recommends. */
const defaultTimeoutMs = 300_000;
const maxTimeoutMs = 600_000;

/** What the page learns when a key refuses. Every other status is NotAllowedError. */
const namesOfRefusals: { readonly [name in StatusName]?: WebAuthnErrorName } = {
  CREDENTIAL_EXCLUDED: 'InvalidStateError',
  UNSUPPORTED_ALGORITHM: 'NotSupportedError',
  UNSUPPORTED_OPTION: 'ConstraintError',
  INVALID_OPTION: 'ConstraintError',
};

/** Runs a ceremony until it ends, its time is over or the caller aborts. @throws WebAuthnError for every failure. */
export async function perform<T>(
  caller: Caller,
  timeout: number | undefined,
  ceremony: (options: RequestOptions) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), Math.min(timeout ?? defaultTimeoutMs, maxTimeoutMs));
  const signal = AbortSignal.any([deadline.signal, ...(caller.signal ? [caller.signal] : [])]);
  try {
    signal.throwIfAborted();
    return await ceremony({ signal, onKeepalive: (status) => caller.onKeepalive?.(status) });
  } catch (cause) {
    if (caller.signal?.aborted) {
      throw new WebAuthnError('AbortError', 'the request was cancelled', { cause });
    }
    if (deadline.signal.aborted) {
      throw new WebAuthnError('NotAllowedError', 'nobody answered in time', { cause });
    }
    throw cause instanceof WebAuthnError ? cause : failure(cause);
  } finally {
    clearTimeout(timer);
  }
}

function failure(cause: unknown): WebAuthnError {
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof CtapStatusError)) {
    return new WebAuthnError('UnknownError', message, { cause });
  }
  const name = (cause.statusName && namesOfRefusals[cause.statusName]) ?? 'NotAllowedError';
  return new WebAuthnError(name, message, { cause });
}

/** The client data, whose hash the key signs. `challenge` is base64url. WebAuthn §5.8.1. */
export function collectClientData(type: 'webauthn.create' | 'webauthn.get', challenge: string, origin: string) {
  const canonical = toBase64url(fromBase64url(challenge));
  const json = Buffer.from(JSON.stringify({ type, challenge: canonical, origin, crossOrigin: false }));
  return { json, hash: createHash('sha256').update(json).digest() };
}

/**
 * Whether to ask the key to verify its user: wherever it can, unless that is discouraged.
 * @throws WebAuthnError `ConstraintError` if it is required and the key cannot.
 */
export function wantsUserVerification(info: AuthenticatorInfo, requirement: string | undefined): boolean {
  const builtIn = info.options.get('uv') === true;
  if (requirement === 'required' && !builtIn) {
    const obstacle = info.options.get('clientPin')
      ? 'this key does so by PIN, which is not supported yet'
      : 'this key cannot';
    throw new WebAuthnError('ConstraintError', `the site wants the user verified, but ${obstacle}`);
  }
  return builtIn && requirement !== 'discouraged';
}

/**
 * The part of a list of credential ids that is worth sending: a key takes only so many at once, so of several parts
 * it is asked silently which one it knows. Empty if the key cannot hold any of them.
 */
export async function knownPart(
  ctap: CtapClient,
  info: AuthenticatorInfo,
  rpId: string,
  ids: readonly Uint8Array[],
  options: RequestOptions,
): Promise<readonly Uint8Array[]> {
  const { maxCredentialIdLength = Number.POSITIVE_INFINITY, maxCredentialCountInList = 1 } = info;
  const candidates = ids.filter((id) => id.length <= maxCredentialIdLength);
  if (candidates.length <= maxCredentialCountInList) {
    return candidates;
  }
  const clientDataHash = new Uint8Array(32);
  for (let start = 0; start < candidates.length; start += maxCredentialCountInList) {
    const allowList = candidates.slice(start, start + maxCredentialCountInList);
    try {
      await ctap.getAssertion({ rpId, clientDataHash, allowList, up: false }, options);
      return allowList;
    } catch (error) {
      if (!(error instanceof CtapStatusError) || error.statusName !== 'NO_CREDENTIALS') {
        throw error;
      }
    }
  }
  return [];
}

export function toBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

export function fromBase64url(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64url'));
}
