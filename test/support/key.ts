// A key under test: an Authenticator with its fake environment, spoken to through the independent client. Requests are
// a good base request plus the differences that a test names.

import { Authenticator } from '../../ctap/authenticator.ts';
import type { AttestationKey, CancelSignal, Crypto, RequestContext } from '../../ctap/env.ts';
import { defaultPolicy, type Policy } from '../../ctap/policy.ts';
import { type FakeEnvironment, fakeEnvironment } from './fake-environment.ts';
import * as platform from './platform.ts';

export const rpId = 'example.org';
export const clientDataHash = platform.sha256('client data');
const neverAborted: CancelSignal = { aborted: false, addEventListener() {}, removeEventListener() {} };

/** Differences to a base request; `undefined` takes a parameter out. */
export type Changes = Record<number, platform.Value | undefined>;

/** Makes a key capable of enterprise attestation, though not of a true one. */
export const enterpriseAttestation: AttestationKey = { certificates: [], sign: () => new Uint8Array() };

/** Authenticator commands. */
export const Command = {
  makeCredential: 0x01,
  getAssertion: 0x02,
  getInfo: 0x04,
  reset: 0x07,
  getNextAssertion: 0x08,
  credentialManagement: 0x0a,
  selection: 0x0b,
  largeBlobs: 0x0c,
} as const;

export class Key {
  readonly environment: FakeEnvironment;
  readonly authenticator: Authenticator;
  readonly policy: Policy;
  /** The keepalive status that the last request chose last. */
  waitingFor: 'processing' | 'user' | undefined;

  constructor(options: { crypto?: Crypto; policy?: Partial<Policy>; environment?: Partial<FakeEnvironment> } = {}) {
    this.environment = { ...fakeEnvironment(options.crypto), ...options.environment };
    this.policy = { ...defaultPolicy, ...options.policy };
    this.authenticator = new Authenticator(this.environment, this.policy);
  }

  get gate() {
    return this.environment.gate;
  }

  context(channel = 1, signal: CancelSignal = neverAborted): RequestContext {
    const waitingFor = (what: 'processing' | 'user') => {
      this.waitingFor = what;
    };
    return { channel, signal, waitingFor };
  }

  async raw(request: Uint8Array, context = this.context()): Promise<platform.Response> {
    return platform.parseResponse(await this.authenticator.cbor(request, context));
  }

  send(command: number, parameters?: platform.Value, context = this.context()): Promise<platform.Response> {
    return this.raw(platform.request(command, parameters), context);
  }

  makeCredential(changes: Changes = {}, context = this.context()): Promise<platform.Response> {
    return this.send(Command.makeCredential, changed(makeCredentialParameters, changes), context);
  }

  getAssertion(changes: Changes = {}, context = this.context()): Promise<platform.Response> {
    return this.send(Command.getAssertion, changed(getAssertionParameters, changes), context);
  }

  /** Registers, and insists that the answer verifies. */
  async register(changes: Changes = {}): Promise<platform.Registration> {
    const rp = changes[2] instanceof Map ? String(changes[2].get('id')) : rpId;
    const registration = platform.verifyRegistration(await this.makeCredential(changes), rp, clientDataHash);
    if (!changes[6] && (registration.data.extensions || registration.largeBlobKey)) {
      throw new Error('extensions that nobody asked for');
    }
    return registration;
  }

  /** Signs in, and insists that the answer verifies with one of the registrations. */
  async signIn(registrations: platform.Registration[], changes: Changes = {}): Promise<platform.Assertion> {
    const assertion = verified(await this.getAssertion(changes), registrations, String(changes[1] ?? rpId));
    if (!changes[4] && (assertion.data.extensions || assertion.largeBlobKey)) {
      throw new Error('extensions that nobody asked for');
    }
    return assertion;
  }

  async u2f(apdu: Uint8Array): Promise<{ word: number; data: Uint8Array }> {
    return platform.parseApduResponse(await this.authenticator.msg(apdu, this.context()));
  }
}

/** Verifies an assertion with the registration that it names. */
export function verified(
  response: platform.Response,
  registrations: platform.Registration[],
  rp = rpId,
): platform.Assertion {
  return platform.verifyAssertion(response, rp, clientDataHash, (id) => {
    return registrations.find(({ credentialId }) => Buffer.compare(credentialId, id) === 0)?.publicKey;
  });
}

/** The questions that the key's gate was asked. */
export function asked(key: Key): string[] {
  return key.gate.prompts.map(({ kind, verify }) => (verify ? `${kind}, verify` : kind));
}

/** An element of an allowList or excludeList. */
export function descriptor(id: Uint8Array, type = 'public-key'): platform.Value {
  return map({ id, type });
}

/** A map with text keys. */
export function map(members: Record<string, platform.Value>): ReadonlyMap<string, platform.Value> {
  return new Map(Object.entries(members));
}

export function user(id: string, names: Record<string, platform.Value> = { name: id }): platform.Value {
  return map({ id: Buffer.from(id), ...names });
}

const makeCredentialParameters: Changes = {
  1: clientDataHash,
  2: map({ id: rpId, name: 'Example' }),
  3: user('alice', { name: 'alice', displayName: 'Alice' }),
  4: [map({ alg: -7, type: 'public-key' })],
};

const getAssertionParameters: Changes = { 1: rpId, 2: clientDataHash };

function changed(base: Changes, changes: Changes): platform.Value {
  const members = Object.entries({ ...base, ...changes }).map(([key, value]) => [Number(key), value] as const);
  return new Map(members.filter((member): member is [number, platform.Value] => member[1] !== undefined));
}
