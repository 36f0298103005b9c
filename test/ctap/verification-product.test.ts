// Every combination of what decides about user verification, against an oracle: CTAP 2.1 §6.1.2 steps 5 to 14 and
// §6.2.2 steps 4 to 9, written a second time and as a list.

import { expect, it } from 'vitest';
import { sealCredentialId } from '../../ctap/credential-id.ts';
import { Status } from '../../ctap/status.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { type Changes, descriptor, Key, map } from '../support/key.ts';
import { PinClient, Token } from '../support/pin-client.ts';

const pin = '1234';
const [no, yes] = [false, true];

interface Row {
  readonly pinIsSet: boolean;
  readonly canVerify: boolean;
  readonly isOwner: boolean;
  readonly alwaysUv: boolean;
  readonly proof: 'none' | 'valid' | 'forged';
  readonly uv: boolean;
  /** `rk` of makeCredential, not `up` of getAssertion. */
  readonly option: boolean;
}

function rows(): Row[] {
  const flags = [no, yes];
  const proofs = ['none', 'valid', 'forged'] as const;
  return flags.flatMap((pinIsSet) =>
    flags.flatMap((canVerify) =>
      flags.flatMap((isOwner) =>
        flags.flatMap((alwaysUv) =>
          proofs.flatMap((proof) =>
            flags.flatMap((uv) =>
              flags.map((option) => ({ pinIsSet, canVerify, isOwner, alwaysUv, proof, uv, option })),
            ),
          ),
        ),
      ),
    ),
  );
}

interface Outcome {
  readonly status: number;
  readonly flags?: number;
  readonly asks?: string[];
}

/** What the steps that both commands share make of a row; `verified` says that the uv bit is set. */
function verification(row: Row, uv: boolean): Outcome | { verified: 'token' | 'built-in' | undefined } {
  const isProtected = row.pinIsSet || row.canVerify;
  if (row.proof !== 'none') {
    if (!isProtected) return { status: Status.PIN_NOT_SET };
    return row.proof === 'valid' ? { verified: 'token' } : { status: Status.PIN_AUTH_INVALID };
  }
  if (!uv) return { verified: undefined };
  if (row.isOwner) return { verified: 'built-in' };
  return { status: row.pinIsSet ? Status.PUAT_REQUIRED : Status.PIN_BLOCKED };
}

function makeCredentialOracle(row: Row): Outcome {
  const hasProof = row.proof !== 'none';
  let uv = row.uv && !hasProof;
  if (uv && !row.canVerify) return { status: Status.INVALID_OPTION };
  const isProtected = row.pinIsSet || row.canVerify;
  if (row.alwaysUv && !isProtected) return { status: Status.PUAT_REQUIRED };
  if (row.alwaysUv && !hasProof && row.canVerify) uv = true;
  if (row.alwaysUv && !hasProof && !uv) return { status: Status.PUAT_REQUIRED };
  if (!row.alwaysUv && isProtected && !uv && !hasProof && row.option) {
    return { status: row.pinIsSet ? Status.PUAT_REQUIRED : Status.OPERATION_DENIED };
  }
  const result = verification(row, uv);
  if ('status' in result) return result;
  const asks = [result.verified === 'built-in' ? 'register, verify' : 'register'];
  return { status: Status.OK, flags: result.verified ? 0x45 : 0x41, asks };
}

function getAssertionOracle(row: Row): Outcome {
  const hasProof = row.proof !== 'none';
  const up = !row.option;
  let uv = row.uv && !hasProof;
  if (uv && !row.canVerify) return { status: Status.INVALID_OPTION };
  if (row.alwaysUv && up && !hasProof && !uv) {
    if (!row.canVerify) return { status: Status.PUAT_REQUIRED };
    uv = true;
  }
  if (row.alwaysUv && up && !row.pinIsSet && !row.canVerify) return { status: Status.PUAT_REQUIRED };
  const result = verification(row, uv);
  if ('status' in result) return result;
  if (result.verified === 'built-in') return { status: Status.OK, flags: 0x05, asks: ['sign-in, verify'] };
  const flags = (up ? 0x01 : 0x00) | (result.verified ? 0x04 : 0x00);
  return { status: Status.OK, flags, asks: up ? ['sign-in'] : [] };
}

/** A key in the row's state, with a token if there is a PIN. */
async function keyOf(row: Row): Promise<{ key: Key; token: Token | undefined }> {
  const key = new Key({ crypto: createOpensslCrypto() });
  const client = new PinClient(key);
  key.gate.canVerify = row.canVerify;
  if (row.pinIsSet) await client.setPin(pin);
  const { gate, vault } = key.environment;
  await vault.update((tx) => tx.setDevice({ alwaysUv: row.alwaysUv }));
  const token = row.pinIsSet ? await client.token(pin, 0x03) : undefined;
  gate.isOwner = row.isOwner;
  gate.prompts.length = 0;
  return { key, token };
}

const forged = new Token(2, new Uint8Array(32));

for (const [command, oracle] of [
  ['makeCredential', makeCredentialOracle],
  ['getAssertion', getAssertionOracle],
] as const) {
  // A valid token comes from the PIN here.
  const possible = rows().filter(({ proof, pinIsSet }) => proof !== 'valid' || pinIsSet);

  it(`${command} verifies the user as the specification in ${possible.length} combinations`, async () => {
    for (const row of possible) {
      const { key, token } = await keyOf(row);
      const isRegistration = command === 'makeCredential';
      const proof = row.proof === 'none' ? undefined : row.proof === 'valid' ? token : forged;
      const options = isRegistration ? { rk: row.option } : { up: !row.option };
      const changes: Changes = { [isRegistration ? 7 : 5]: map({ ...options, uv: row.uv }) };
      if (!isRegistration) changes[3] = [descriptor(sealedCredential(key))];
      const shown = proof && { ...(isRegistration ? proof.forMakeCredential : proof.forGetAssertion) };
      const { status, members } = await key[command]({ ...changes, ...shown });
      const authData = members.get(2) as Uint8Array | undefined;
      const asks = key.gate.prompts.map(({ kind, verify }) => (verify ? `${kind}, verify` : kind));
      const outcome = { status, ...(status === Status.OK && { flags: authData?.[32], asks }) };
      expect(outcome, JSON.stringify(row)).toEqual(oracle(row));
      expect(key.environment.bugs).toEqual([]);
    }
  });
}

/** A credential that was made without a question and without the protocol, so that the token stays as it is. */
function sealedCredential(key: Key): Uint8Array {
  const { crypto, vault } = key.environment;
  const keyPair = crypto.generateKeyPair(-7);
  return sealCredentialId(crypto, vault.device.credentialIdKey, {
    ...{ rpIdHash: crypto.sha256(new TextEncoder().encode('example.org')), algorithm: -7, ...keyPair },
    ...{ kind: 'device-bound', credProtect: 1, thirdPartyPayment: false },
  });
}
