// Every combination of what decides about user verification, permissions, lists, algorithms and extensions, against an
// oracle: CTAP 2.1 §6.1.2 steps 1 to 16 and §6.2.2 steps 1 to 13, written a second time and as a list.

import { expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { hmacSecretInput } from '../support/extension-client.ts';
import { type Changes, clientDataHash, descriptor, Key, map, rpId, verified } from '../support/key.ts';
import { Permission, PinClient, Token } from '../support/pin-client.ts';
import * as platform from '../support/platform.ts';

const pin = '1234';
const flags = [false, true] as const;
const { mc, ga, cm } = Permission;

/** All combinations of the values. */
function product<T extends Record<string, readonly unknown[]>>(axes: T): { [K in keyof T]: T[K][number] }[] {
  type Row = Record<string, unknown>;
  const combined = Object.entries(axes).reduce<Row[]>(
    (rows, [name, values]) => rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  );
  return combined as { [K in keyof T]: T[K][number] }[];
}

/** What a key is, and what its credentials were made with. `credProtect`: they are of level 3. */
const keys = product({
  pinIsSet: flags,
  canVerify: flags,
  isOwner: flags,
  alwaysUv: flags,
  extension: ['none', 'credProtect', 'largeBlobKey', 'hmac-secret', 'hmac-secret-mc'],
} as const).filter(({ canVerify, isOwner }) => canVerify || isOwner);

/** A token of the PIN that permits this command, only the other of the two, only cm, or this one at another RP. */
const tokens = ['own', 'other command', 'cm', 'other RP'] as const;
const proofs = ['none', 'forged', ...tokens] as const;

/** `rk` of makeCredential. */
const registrations = product({
  proof: proofs,
  uv: flags,
  rk: flags,
  isListed: flags,
  algorithms: [[-257, -8], [-257]],
} as const);

const assertions = product({ proof: proofs, uv: flags, up: flags, list: ['none', 'own', 'foreign'] } as const);

type KeyRow = (typeof keys)[number];
type RegistrationRow = KeyRow & (typeof registrations)[number];
type AssertionRow = KeyRow & (typeof assertions)[number];

interface Outcome {
  readonly status: number;
  readonly asks: readonly string[];
  readonly flags?: number;
  readonly alg?: number;
  readonly extensions?: readonly string[];
  readonly largeBlobKey?: boolean;
  readonly user?: boolean;
}

const refused = (status: number, asks: readonly string[] = []): Outcome => ({ status, asks });

/** What the steps that both commands share make of a row. */
function verification(
  row: KeyRow & { readonly proof: (typeof proofs)[number] },
  uv: boolean,
  ask: string,
): Outcome | { readonly verified: 'token' | 'built-in' | undefined } {
  if (row.proof !== 'none') {
    if (!row.pinIsSet && !row.canVerify) return refused(Status.PIN_NOT_SET);
    return row.proof === 'own' ? { verified: 'token' } : refused(Status.PIN_AUTH_INVALID);
  }
  if (!uv) return { verified: undefined };
  if (row.isOwner) return { verified: 'built-in' };
  return refused(row.pinIsSet ? Status.PUAT_REQUIRED : Status.PIN_BLOCKED, Array(5).fill(ask));
}

function registrationOracle(row: RegistrationRow): Outcome {
  const hasProof = row.proof !== 'none';
  const alg = row.algorithms.find((each) => each !== -257);
  if (alg === undefined) return refused(Status.UNSUPPORTED_ALGORITHM);
  let uv = row.uv && !hasProof;
  if (uv && !row.canVerify) return refused(Status.INVALID_OPTION);
  const isProtected = row.pinIsSet || row.canVerify;
  if (row.alwaysUv && !isProtected) return refused(Status.PUAT_REQUIRED);
  if (row.alwaysUv && !hasProof && row.canVerify) uv = true;
  if (row.alwaysUv && !hasProof && !uv) return refused(Status.PUAT_REQUIRED);
  if (!row.alwaysUv && isProtected && !uv && !hasProof && row.rk) {
    return refused(row.pinIsSet ? Status.PUAT_REQUIRED : Status.OPERATION_DENIED);
  }
  const result = verification(row, uv, 'register, verify');
  if ('status' in result) return result;
  const asked = result.verified === 'built-in' ? ['register, verify'] : [];
  if (row.isListed && (row.extension !== 'credProtect' || result.verified)) {
    return refused(Status.CREDENTIAL_EXCLUDED, asked.length > 0 ? asked : ['already-registered']);
  }
  if (row.extension === 'largeBlobKey' && !row.rk) return refused(Status.INVALID_OPTION, asked);
  const extensions = {
    none: [],
    credProtect: ['credProtect'],
    largeBlobKey: [],
    'hmac-secret': ['hmac-secret'],
    'hmac-secret-mc': ['hmac-secret', 'hmac-secret-mc'],
  }[row.extension];
  return {
    ...{ status: Status.OK, asks: asked.length > 0 ? asked : ['register'], alg, extensions },
    flags: 0x41 | (result.verified ? 0x04 : 0) | (extensions.length > 0 ? 0x80 : 0),
    largeBlobKey: row.extension === 'largeBlobKey',
  };
}

function assertionOracle(row: AssertionRow): Outcome {
  const hasProof = row.proof !== 'none';
  let uv = row.uv && !hasProof;
  if (uv && !row.canVerify) return refused(Status.INVALID_OPTION);
  if (row.alwaysUv && row.up && !hasProof && !uv) {
    if (!row.canVerify) return refused(Status.PUAT_REQUIRED);
    uv = true;
  }
  if (row.alwaysUv && row.up && !row.pinIsSet && !row.canVerify) return refused(Status.PUAT_REQUIRED);
  const result = verification(row, uv, 'sign-in, verify');
  if ('status' in result) return result;
  const asked = result.verified === 'built-in' ? ['sign-in, verify'] : [];
  const isHidden = row.extension === 'credProtect' && !result.verified;
  if (row.list === 'foreign' || isHidden) return refused(Status.NO_CREDENTIALS, asked);
  if (row.extension === 'hmac-secret' && !row.up) return refused(Status.UNSUPPORTED_OPTION, asked);
  const isPresent = row.up || asked.length > 0;
  const extensions = row.extension === 'hmac-secret' ? ['hmac-secret'] : [];
  return {
    ...{ status: Status.OK, asks: asked.length > 0 || !row.up ? asked : ['sign-in'], extensions },
    flags: (isPresent ? 0x01 : 0) | (result.verified ? 0x04 : 0) | (extensions.length > 0 ? 0x80 : 0),
    largeBlobKey: row.extension === 'largeBlobKey' && row.list === 'none',
    user: row.list === 'none',
  };
}

/** A key in the row's state with two credentials, one in its vault and one sealed in its id, and its tokens. */
class Subject {
  readonly key = new Key({ crypto: createOpensslCrypto() });
  readonly #client = new PinClient(this.key);
  readonly #row: KeyRow;
  #token: { readonly name: string; readonly token: Token } | undefined;
  registrations: platform.Registration[] = [];
  inputs: Record<string, platform.Value> = {};

  private constructor(row: KeyRow) {
    this.#row = row;
  }

  static async of(row: KeyRow): Promise<Subject> {
    const subject = new Subject(row);
    const { key } = subject;
    key.gate.canVerify = row.canVerify;
    const salts = hmacSecretInput(await subject.#client.agree(), new Uint8Array(32));
    subject.inputs = {
      none: {},
      credProtect: { credProtect: 3 },
      largeBlobKey: { largeBlobKey: true },
      'hmac-secret': { 'hmac-secret': salts },
      'hmac-secret-mc': { 'hmac-secret': true, 'hmac-secret-mc': salts },
    }[row.extension] as Record<string, platform.Value>;
    for (const rk of flags) {
      const extension = { none: {}, credProtect: { credProtect: 3 }, largeBlobKey: rk ? { largeBlobKey: true } : {} };
      const made = row.extension in extension ? extension[row.extension as keyof typeof extension] : {};
      subject.registrations.push(await key.register({ 6: map(made), 7: map({ rk, uv: row.canVerify }) }));
    }
    if (row.pinIsSet) await subject.#client.setPin(pin);
    await key.environment.vault.update((tx) => tx.setDevice({ alwaysUv: row.alwaysUv }));
    key.gate.isOwner = row.isOwner;
    return subject;
  }

  get sealed(): platform.Registration {
    return this.registrations[0] ?? expect.unreachable();
  }

  /** The members that show a token; a new one where the last may be spent. */
  async proof(name: (typeof proofs)[number], permission: number): Promise<Token | undefined> {
    if (name === 'none') return undefined;
    if (name === 'forged') return new Token(2, new Uint8Array(32));
    if (this.#token?.name !== name) {
      const permissions = { own: permission, 'other command': (mc | ga) & ~permission, cm, 'other RP': permission }[
        name
      ];
      const rp = { own: rpId, 'other command': rpId, cm: undefined, 'other RP': 'other.example' }[name];
      this.#token = { name, token: await this.#client.token(pin, permissions, rp) };
    }
    return this.#token.token;
  }

  /** What came of a request, with the questions that were asked since the last one. */
  async outcome(response: platform.Response, success: () => Omit<Outcome, 'status' | 'asks'>): Promise<Outcome> {
    const { gate, environment } = this.key;
    const asks = gate.prompts.splice(0).map(({ kind, verify }) => (verify ? `${kind}, verify` : kind));
    const { status } = response;
    if (status !== Status.PIN_AUTH_INVALID) this.#token = undefined;
    if (!this.#row.isOwner) await environment.vault.update((tx) => tx.setDevice({ uvRetries: 5 }));
    return { status, asks, ...(status === Status.OK && success()) };
  }
}

/** Tokens come from the PIN here. */
const isPossible = (row: KeyRow, { proof }: { readonly proof: (typeof proofs)[number] }) =>
  row.pinIsSet || proof === 'none' || proof === 'forged';

const combinations = (rows: readonly { readonly proof: (typeof proofs)[number] }[]) =>
  keys.reduce((count, keyRow) => count + rows.filter((row) => isPossible(keyRow, row)).length, 0);

it(`makeCredential does as the specification in ${combinations(registrations)} combinations`, async () => {
  for (const keyRow of keys) {
    const subject = await Subject.of(keyRow);
    const { key } = subject;
    key.gate.prompts.length = 0;
    for (const row of registrations.filter((each) => isPossible(keyRow, each))) {
      const token = await subject.proof(row.proof, mc);
      const asHmacSecret = keyRow.extension === 'hmac-secret' ? { 'hmac-secret': true } : subject.inputs;
      const changes: Changes = {
        4: row.algorithms.map((alg) => map({ alg, type: 'public-key' })),
        5: row.isListed ? [descriptor(subject.sealed.credentialId)] : undefined,
        6: map(asHmacSecret),
        7: map({ rk: row.rk, uv: row.uv }),
        ...token?.forMakeCredential,
      };
      const response = await key.makeCredential(changes);
      const outcome = await subject.outcome(response, () => {
        const { data, publicKey, largeBlobKey } = platform.verifyRegistration(response, rpId, clientDataHash);
        const extensions = [...(data.extensions?.keys() ?? [])].map(String);
        return { flags: data.flags, alg: publicKey.alg, extensions, largeBlobKey: largeBlobKey !== undefined };
      });
      const whole = { ...keyRow, ...row };
      expect(outcome, JSON.stringify(whole)).toEqual(registrationOracle(whole));
    }
    expect(key.environment.bugs).toEqual([]);
  }
});

it(`getAssertion does as the specification in ${combinations(assertions)} combinations`, async () => {
  for (const keyRow of keys) {
    const subject = await Subject.of(keyRow);
    const { key } = subject;
    key.gate.prompts.length = 0;
    const lists = {
      none: undefined,
      own: [descriptor(subject.sealed.credentialId)],
      foreign: [descriptor(new Uint8Array(147).fill(1))],
    };
    for (const row of assertions.filter((each) => isPossible(keyRow, each))) {
      const token = await subject.proof(row.proof, ga);
      const asked = keyRow.extension === 'credProtect' ? {} : subject.inputs;
      const changes: Changes = {
        3: lists[row.list],
        4: map(keyRow.extension === 'hmac-secret-mc' ? { 'hmac-secret-mc': 'ignored' } : asked),
        5: map({ up: row.up, uv: row.uv }),
        ...token?.forGetAssertion,
      };
      const response = await key.getAssertion(changes);
      const outcome = await subject.outcome(response, () => {
        const { data, largeBlobKey } = verified(response, subject.registrations);
        const extensions = [...(data.extensions?.keys() ?? [])].map(String);
        const user = response.members.has(4);
        return { flags: data.flags, extensions, largeBlobKey: largeBlobKey !== undefined, user };
      });
      const whole = { ...keyRow, ...row };
      expect(outcome, JSON.stringify(whole)).toEqual(assertionOracle(whole));
    }
    expect(key.environment.bugs).toEqual([]);
  }
});
