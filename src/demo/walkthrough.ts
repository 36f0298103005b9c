// The demo without a browser: sign-up and sign-in against the relying party, each step printed and checked.

import type { Caller } from '../platform/ceremony.ts';
import { type CborChannel, CtapClient } from '../platform/ctap-client.ts';
import { createCredential, getCredential } from '../platform/webauthn-client.ts';
import type { RegistrationChoices } from './ceremonies.ts';
import type { Decoded, DecodedRegistration, DecodedSignIn } from './decoded.ts';
import { RelyingPartyClient } from './relying-party-client.ts';

export interface WalkthroughOptions {
  /** Leads to the key. */
  readonly channel: CborChannel;
  /** The relying party's address, which is the origin, too. */
  readonly url: string;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What a step has to show: names and values, printed in two columns. */
type Facts = readonly (readonly [name: string, value: string | number])[];

/** Performs every step in turn. @throws Error that names the step that failed, and why. */
export async function walkThrough({ channel, url, print, signal }: WalkthroughOptions): Promise<void> {
  const ctap = new CtapClient(channel);
  const relyingParty = new RelyingPartyClient(url);
  const caller: Caller = { origin: url, signal };

  const register = async (choices: Partial<RegistrationChoices>): Promise<DecodedRegistration> => {
    const options = await relyingParty.registrationOptions(choices);
    return relyingParty.register(await createCredential(ctap, options, caller));
  };
  const signIn = async (choices: { userName?: string }): Promise<DecodedSignIn> => {
    const options = await relyingParty.signInOptions(choices);
    return relyingParty.signIn(await getCredential(ctap, options, caller));
  };

  const steps: Readonly<Record<string, () => Promise<Facts>>> = {
    'ask the key what it is': async () => {
      const { versions, aaguid } = await ctap.getInfo({ signal });
      return [
        ['versions', versions.join(' ')],
        ['aaguid', withDashes(aaguid)],
      ];
    },
    'register ada: not discoverable, without attestation': async () => {
      const result = await register({ userName: 'ada', residentKey: 'discouraged', attestation: 'none' });
      checkRegistration(result, { fmt: 'none', discoverable: false });
      return factsOf(result);
    },
    'register bob: discoverable, with attestation': async () => {
      const result = await register({ userName: 'bob', residentKey: 'required', attestation: 'direct' });
      checkRegistration(result, { fmt: 'packed', discoverable: true });
      return factsOf(result);
    },
    'sign in as ada': async () => {
      const result = await signIn({ userName: 'ada' });
      checkSignIn(result, 'ada');
      return factsOf(result);
    },
    'sign in without a user name': async () => {
      const result = await signIn({});
      checkSignIn(result, 'bob');
      return [['the key says', result.userName], ...factsOf(result)];
    },
  };
  for (const [index, [title, step]] of Object.entries(steps).entries()) {
    print(`${index + 1}  ${title}`);
    try {
      for (const [name, value] of await step()) {
        print(`     ${name.padEnd(14)}${value}`);
      }
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`step ${index + 1} failed (${title}): ${reason}`, { cause });
    }
    print('');
  }
}

function checkRegistration(result: DecodedRegistration, expected: { fmt: string; discoverable: boolean }): void {
  check(result.flags.up && result.flags.at, 'the flags UP and AT', flagNames(result));
  check(result.fmt === expected.fmt, `attestation ${expected.fmt}`, result.fmt);
  check(result.discoverable === expected.discoverable, `discoverable ${expected.discoverable}`, result.discoverable);
}

function checkSignIn(result: DecodedSignIn, userName: string): void {
  check(result.userName === userName, `the account ${userName}`, result.userName);
  check(result.flags.up && !result.flags.at, 'the flag UP without AT', flagNames(result));
  check(result.signCount > result.previousSignCount, `a counter above ${result.previousSignCount}`, result.signCount);
}

function check(holds: boolean, expected: string, actual: unknown): void {
  if (!holds) {
    throw new Error(`expected ${expected}, got ${actual}`);
  }
}

function factsOf(result: Decoded & Partial<DecodedRegistration> & Partial<DecodedSignIn>): Facts {
  const { attestation, fmt, previousSignCount, signCount, algorithmName, credentialId } = result;
  return [
    ['flags', flagNames(result)],
    ['counter', previousSignCount === undefined ? signCount : `${signCount}, after ${previousSignCount}`],
    ['algorithm', algorithmName],
    ['credential', `${credentialId.slice(0, 24)}…`],
    ...(attestation === undefined
      ? []
      : [['attestation', fmt === attestation ? fmt : `${fmt}, ${attestation}`] as const]),
  ];
}

function flagNames({ flags }: Decoded): string {
  const names = Object.entries(flags).filter(([, isSet]) => isSet);
  return names.map(([name]) => name.toUpperCase()).join(' ') || 'none';
}

/** A UUID in its usual form. */
function withDashes(uuid: Uint8Array): string {
  const hex = Buffer.from(uuid).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
