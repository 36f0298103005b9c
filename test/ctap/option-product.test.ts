// Every combination of what decides the outcome of makeCredential and getAssertion, against an oracle: the rules of
// CTAP 2.1 §6.1.2 and §6.2.2 for a key without user verification, written a second time and as a list.

import { expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { type Changes, descriptor, Key, map, rpId } from '../support/key.ts';
import * as platform from '../support/platform.ts';

type Row = Record<string, unknown>;

/** All combinations of the values. */
function product<T extends Record<string, readonly unknown[]>>(axes: T): { [K in keyof T]: T[K][number] }[] {
  const rows = Object.entries(axes).reduce<Row[]>(
    (partial, [name, values]) => partial.flatMap((row) => values.map((value) => ({ ...row, [name]: value }))),
    [{}],
  );
  return rows as { [K in keyof T]: T[K][number] }[];
}

const pinUvAuthParams = { none: undefined, empty: new Uint8Array(0), full: new Uint8Array(16) } as const;
const answers = ['approved', 'declined', 'timed-out'] as const;
const refusal = {
  approved: undefined,
  declined: Status.OPERATION_DENIED,
  'timed-out': Status.USER_ACTION_TIMEOUT,
} as const;

/** A map without the options that are undefined; no options at all if none is left. */
function optionsOf(options: Record<string, boolean | undefined>): platform.Value | undefined {
  const given = Object.entries(options).filter((entry): entry is [string, boolean] => entry[1] !== undefined);
  return given.length > 0 ? map(Object.fromEntries(given)) : undefined;
}

const makeCredentialRows = product({
  rk: [undefined, false, true],
  up: [undefined, false, true],
  uv: [undefined, false, true],
  pinUvAuthParam: ['none', 'empty', 'full'],
  protocol: [undefined, 1],
  algorithm: [-7, -257],
  excluded: [false, true],
  enterprise: [undefined, 1],
  answer: answers,
} as const);

function makeCredentialOracle(row: (typeof makeCredentialRows)[number]): { status: number; asks: string[] } {
  const denied = row.answer !== 'approved';
  if (row.pinUvAuthParam === 'empty') {
    return { status: denied ? Status.OPERATION_DENIED : Status.PIN_NOT_SET, asks: ['select'] };
  }
  const full = row.pinUvAuthParam === 'full';
  if (full && row.protocol === undefined) return { status: Status.MISSING_PARAMETER, asks: [] };
  if (row.algorithm !== -7) return { status: Status.UNSUPPORTED_ALGORITHM, asks: [] };
  if ((row.uv === true && !full) || row.up === false) return { status: Status.INVALID_OPTION, asks: [] };
  if (row.enterprise !== undefined) return { status: Status.INVALID_PARAMETER, asks: [] };
  if (full) return { status: Status.PIN_NOT_SET, asks: [] };
  if (row.excluded) return { status: Status.CREDENTIAL_EXCLUDED, asks: ['already-registered'] };
  return { status: refusal[row.answer] ?? Status.OK, asks: ['register'] };
}

it(`makeCredential decides as the specification in ${makeCredentialRows.length} combinations`, async () => {
  const crypto = createOpensslCrypto();
  const key = new Key({ crypto });
  const known = await key.register();
  for (const row of makeCredentialRows) {
    key.gate.script = row.answer;
    key.gate.prompts.length = 0;
    const changes: Changes = {
      4: [map({ alg: row.algorithm, type: 'public-key' })],
      5: [descriptor(row.excluded ? known.credentialId : new Uint8Array(32))],
      7: optionsOf({ rk: row.rk, up: row.up, uv: row.uv }),
      8: pinUvAuthParams[row.pinUvAuthParam],
      9: row.protocol,
      10: row.enterprise,
    };
    const { status } = await key.makeCredential(changes);
    const outcome = { status, asks: key.gate.prompts.map(({ kind }) => kind) };
    expect(outcome, JSON.stringify(row)).toEqual(makeCredentialOracle(row));
  }
  expect(key.environment.bugs).toEqual([]);
});

const getAssertionRows = product({
  rk: [undefined, false, true],
  up: [undefined, false, true],
  uv: [undefined, false, true],
  pinUvAuthParam: ['none', 'empty', 'full'],
  protocol: [undefined, 1],
  discoverable: [0, 1, 2],
  allowList: [undefined, 'empty', 'foreign', 'own', 'both'],
  answer: answers,
} as const);

function getAssertionOracle(row: (typeof getAssertionRows)[number]) {
  const denied = row.answer !== 'approved';
  if (row.pinUvAuthParam === 'empty') {
    return { status: denied ? Status.OPERATION_DENIED : Status.PIN_NOT_SET, asks: ['select'] };
  }
  const full = row.pinUvAuthParam === 'full';
  if (full && row.protocol === undefined) return { status: Status.MISSING_PARAMETER, asks: [] };
  if (row.uv === true && !full) return { status: Status.INVALID_OPTION, asks: [] };
  if (row.rk !== undefined) return { status: Status.UNSUPPORTED_OPTION, asks: [] };
  if (full) return { status: Status.PIN_NOT_SET, asks: [] };
  const listed = row.allowList !== undefined && row.allowList !== 'empty';
  const found = listed ? (row.allowList === 'foreign' ? 0 : 1) : row.discoverable;
  if (found === 0) return { status: Status.NO_CREDENTIALS, asks: [] };
  const asks = row.up === false ? [] : ['sign-in'];
  if (row.up !== false && denied) return { status: refusal[row.answer], asks };
  const flags = row.up === false ? 0x00 : 0x01;
  return { status: Status.OK, asks, flags, user: !listed, count: found > 1 ? found : undefined };
}

it(`getAssertion decides as the specification in ${getAssertionRows.length} combinations`, async () => {
  const keys = await Promise.all(
    [0, 1, 2].map(async (discoverable) => {
      const key = new Key({ crypto: createOpensslCrypto() });
      const sealed = await key.register();
      for (let i = 0; i < discoverable; i++) {
        await key.register({ 3: map({ id: Buffer.of(i) }), 7: map({ rk: true }) });
      }
      return { key, own: descriptor(sealed.credentialId) };
    }),
  );
  const foreign = descriptor(new Uint8Array(147).fill(1));
  for (const row of getAssertionRows) {
    const { key, own } = keys[row.discoverable] ?? expect.unreachable();
    key.gate.script = row.answer;
    key.gate.prompts.length = 0;
    const lists = { empty: [], foreign: [foreign], own: [own], both: [foreign, own] };
    const { status, members } = await key.getAssertion({
      3: row.allowList && lists[row.allowList],
      5: optionsOf({ rk: row.rk, up: row.up, uv: row.uv }),
      6: pinUvAuthParams[row.pinUvAuthParam],
      7: row.protocol,
    });
    const authData = members.get(2) as Uint8Array | undefined;
    const success = { flags: authData?.[32], user: members.has(4), count: members.get(5) };
    const asks = key.gate.prompts.map(({ kind }) => kind);
    const outcome = { status, asks, ...(status === 0 && success) };
    expect(outcome, JSON.stringify(row)).toEqual(getAssertionOracle(row));
    if (authData) expect(authData.subarray(0, 32)).toEqual(new Uint8Array(platform.sha256(rpId)));
  }
});
