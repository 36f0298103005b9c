// Everything an Authenticator needs, in memory and under the test's control: a vault, a person with a script, a clock
// that stands still, repeatable randomness. The fake vault passes the same contract suite as the real one.

import { sha256 } from '@noble/hashes/sha2.js';
import { createNobleCrypto } from '../../ctap/crypto/noble.ts';
import { factoryDeviceState } from '../../ctap/device-state.ts';
import type {
  Answer,
  CancelSignal,
  Clock,
  Credential,
  Crypto,
  DeviceState,
  Environment,
  Prompt,
  RelyingParty,
  UserGate,
  Vault,
  VaultTransaction,
} from '../../ctap/env.ts';

/** Bytes that look random and are the same in every run. */
export function seededRandom(seed: string): (length: number) => Uint8Array {
  let block = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i += 32) {
      bytes.set(sha256(new TextEncoder().encode(`${seed} ${block++}`)).subarray(0, length - i), i);
    }
    return bytes;
  };
}

/** A vault in memory. */
export class FakeVault implements Vault {
  #state: { credentials: ReadonlyMap<string, Credential>; device: DeviceState };
  readonly #random: (length: number) => Uint8Array;
  #signCount = 0;
  /** Set by a test: the next update rejects with it. */
  failure: Error | undefined;

  constructor(random: (length: number) => Uint8Array = seededRandom('vault')) {
    this.#random = random;
    this.#state = { credentials: new Map(), device: factoryDeviceState(random) };
  }

  get device(): DeviceState {
    return this.#state.device;
  }

  credential(id: Uint8Array): Credential | undefined {
    return this.#state.credentials.get(hex(id));
  }

  credentialsOf(rpIdHash: Uint8Array): readonly Credential[] {
    return [...this.#state.credentials.values()]
      .filter((credential) => hex(credential.rpIdHash) === hex(rpIdHash))
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  credentialCount(): number {
    return this.#state.credentials.size;
  }

  relyingParties(): readonly RelyingParty[] {
    const found = new Map<string, RelyingParty>();
    for (const { rpId, rpIdHash, rpName } of this.#state.credentials.values()) {
      found.set(hex(rpIdHash), { rpId, rpIdHash, ...(rpName !== undefined && { rpName }) });
    }
    return [...found.values()];
  }

  nextSignCount(): number {
    return ++this.#signCount;
  }

  async update(change: (tx: VaultTransaction) => void): Promise<void> {
    const credentials = new Map(this.#state.credentials);
    let device = this.#state.device;
    const renewState = () => {
      device = { ...device, credentialStoreState: this.#random(16) };
    };
    change({
      putCredential: (credential) => {
        credentials.set(hex(credential.id), structuredClone(credential));
        renewState();
      },
      deleteCredential: (id) => {
        if (credentials.delete(hex(id))) renewState();
      },
      setDevice: (changed) => {
        device = { ...device, ...structuredClone(changed) };
      },
      reset: () => {
        credentials.clear();
        device = factoryDeviceState(this.#random, device.credentialKind);
      },
    });
    await Promise.resolve();
    const { failure } = this;
    this.failure = undefined;
    if (failure) throw failure;
    this.#state = { credentials, device };
  }
}

/** A person who says what the test tells them to, and remembers what they were asked. */
export class FakeGate implements UserGate {
  readonly prompts: Prompt[] = [];
  /** Whether this is a gate with built-in user verification; a test sets it before anything else. */
  canVerify = false;
  /** Whether they are the owner: an approval is then verified, where verification was asked for. */
  isOwner = true;
  /** What they answer at once; with `nothing` they wait until `answer` is called or the request is cancelled. */
  script: Answer['kind'] | 'nothing' | Error = 'approved';
  /** How many questions are open now. */
  open = 0;
  #answer: (kind: Answer['kind']) => void = () => {};
  #asked: () => void = () => {};
  /** Resolves when the next question is asked. */
  nextPrompt: Promise<void> = new Promise((resolve) => {
    this.#asked = resolve;
  });

  async ask(prompt: Prompt, signal: CancelSignal): Promise<Answer> {
    this.prompts.push(prompt);
    this.#asked();
    this.nextPrompt = new Promise((resolve) => {
      this.#asked = resolve;
    });
    if (this.script instanceof Error) throw this.script;
    if (this.script !== 'nothing') return this.#answerOf(this.script, prompt);
    this.open++;
    const kind = await new Promise<Answer['kind']>((resolve) => {
      this.#answer = resolve;
      signal.addEventListener('abort', () => resolve('cancelled'));
    });
    this.open--;
    return this.#answerOf(kind, prompt);
  }

  /** Answers the open question. */
  answer(kind: Answer['kind']): void {
    this.#answer(kind);
  }

  #answerOf(kind: Answer['kind'], prompt: Prompt): Answer {
    return kind === 'approved' ? { kind, verified: prompt.verify === true && this.isOwner } : { kind };
  }
}

/** A clock that moves only by hand: time passes, or somebody sets it. Delays pass at once, but after everything that can happen without waiting. */
export class FakeClock implements Clock {
  /** Milliseconds that have passed. */
  time = 1000;
  /** What the clock on the wall said when nothing had passed yet. */
  epoch = Date.UTC(2026, 0, 1);

  now(): number {
    return this.epoch + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  delay(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

export interface FakeEnvironment extends Environment {
  readonly vault: FakeVault;
  readonly gate: FakeGate;
  readonly clock: FakeClock;
  readonly bugs: unknown[];
}

export function fakeEnvironment(crypto: Crypto = createNobleCrypto(seededRandom('crypto'))): FakeEnvironment {
  const bugs: unknown[] = [];
  return {
    vault: new FakeVault(),
    gate: new FakeGate(),
    clock: new FakeClock(),
    crypto,
    bugs,
    reportBug: (error) => bugs.push(error),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
