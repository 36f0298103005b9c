// A key whose vault is locked: what it answers all the same, when the person is asked to unlock it, and what a lock
// makes it forget.

import { describe, expect, it } from 'vitest';
import type { CancelSignal, Credential, DeviceState, Prompt, PublicState } from '../../ctap/env.ts';
import { FakeGate, FakeVault } from '../support/fake-environment.ts';
import { type Changes, Command, clientDataHash, Key, map, rpId } from '../support/key.ts';
import { PinClient, SubCommand } from '../support/pin-client.ts';
import * as platform from '../support/platform.ts';

const Status = {
  OK: 0x00,
  INVALID_COMMAND: 0x01,
  INVALID_PARAMETER: 0x02,
  INVALID_CBOR: 0x12,
  MISSING_PARAMETER: 0x14,
  OPERATION_DENIED: 0x27,
  KEEPALIVE_CANCEL: 0x2d,
  NO_CREDENTIALS: 0x2e,
  USER_ACTION_TIMEOUT: 0x2f,
  NOT_ALLOWED: 0x30,
  PIN_AUTH_INVALID: 0x33,
  PUAT_REQUIRED: 0x36,
} as const;
const notYet = 0x6985;
const wrongLength = 0x6700;

const publicState: PublicState = {
  hasPin: true,
  forcePINChange: false,
  minPINLength: 6,
  pinComplexityPolicy: false,
  alwaysUv: false,
  enterpriseAttestation: false,
  longTouchForReset: true,
};

/** Throws while it is locked, as the contract says. */
class LockableFakeVault extends FakeVault {
  isLocked = false;
  publicState: PublicState | undefined = publicState;

  override get device(): DeviceState {
    return this.#opened(super.device);
  }

  override credential(id: Uint8Array): Credential | undefined {
    return this.#opened(super.credential(id));
  }

  override credentialsOf(rpIdHash: Uint8Array): readonly Credential[] {
    return this.#opened(super.credentialsOf(rpIdHash));
  }

  override credentialCount(): number {
    return this.#opened(super.credentialCount());
  }

  #opened<T>(value: T): T {
    if (this.isLocked) throw new Error('locked');
    return value;
  }
}

/** Unlocks when asked to, unless `unlocks` is off; answers everything else as its script says. */
class UnlockingGate extends FakeGate {
  readonly #vault: LockableFakeVault;
  onUnlock: 'approved' | 'declined' | 'timed-out' | 'nothing' = 'approved';

  constructor(vault: LockableFakeVault) {
    super();
    this.#vault = vault;
  }

  override async ask(prompt: Prompt, signal: CancelSignal) {
    if (prompt.kind !== 'unlock') return super.ask(prompt, signal);
    const script = this.script;
    this.script = this.onUnlock;
    const answered = super.ask(prompt, signal);
    this.script = script;
    const answer = await answered;
    if (answer.kind === 'approved') this.#vault.isLocked = false;
    return answer;
  }
}

class LockableKey extends Key {
  readonly vault: LockableFakeVault;
  readonly person: UnlockingGate;

  constructor() {
    const vault = new LockableFakeVault();
    const gate = new UnlockingGate(vault);
    super({ environment: { vault, gate } });
    this.vault = vault;
    this.person = gate;
  }

  lock(): Promise<void> {
    return this.authenticator.lock(async () => {
      this.vault.isLocked = true;
    });
  }

  get asked(): string[] {
    return this.gate.prompts.map(({ kind }) => kind);
  }
}

async function lockedKey(): Promise<LockableKey> {
  const key = new LockableKey();
  await key.lock();
  return key;
}

describe('a locked key', () => {
  it('asks to unlock before it asks for the registration, and registers', async () => {
    const key = await lockedKey();
    await key.register();
    expect(key.asked).toEqual(['unlock', 'register']);
  });

  it.each([
    ['getAssertion', (key: Key) => key.getAssertion(), Status.NO_CREDENTIALS],
    ['getPINRetries', (key: Key) => key.send(0x06, new Map([[2, SubCommand.getPINRetries]])), Status.OK],
    [
      'largeBlobs',
      (key: Key) =>
        key.send(Command.largeBlobs, new Map(Object.entries({ 1: 17, 3: 0 }).map(([k, v]) => [Number(k), v]))),
      Status.OK,
    ],
    ['reset', (key: Key) => key.send(Command.reset), Status.OK],
    ['a search without a touch', (key: Key) => key.getAssertion({ 5: map({ up: false }) }), Status.NO_CREDENTIALS],
  ])('asks to unlock for %s, once', async (_, send, status) => {
    const key = await lockedKey();
    expect((await send(key)).status).toBe(status);
    expect(key.asked.filter((kind) => kind === 'unlock')).toHaveLength(1);
    expect(key.asked[0]).toBe('unlock');
  });

  it.each([
    ['declined', Status.OPERATION_DENIED],
    ['timed-out', Status.USER_ACTION_TIMEOUT],
  ] as const)('answers as for a touch that was %s when nobody unlocks it', async (answer, status) => {
    const key = await lockedKey();
    key.person.onUnlock = answer;
    expect((await key.makeCredential()).status).toBe(status);
    expect(key.asked).toEqual(['unlock']);
    expect(key.environment.bugs).toEqual([]);
  });

  it('lets the host take the request back while it waits, with the keepalive that says so', async () => {
    const key = await lockedKey();
    key.person.onUnlock = 'nothing';
    const abort = new AbortController();
    const response = key.makeCredential({}, key.context(1, abort.signal));
    await key.gate.nextPrompt;
    expect(key.waitingFor).toBe('user');
    abort.abort();
    expect((await response).status).toBe(Status.KEEPALIVE_CANCEL);
    expect(key.vault.isLocked).toBe(true);
  });

  it.each<[string, (key: Key) => Promise<platform.Response>, number]>([
    ['selection, which only asks who is meant', (key) => key.send(Command.selection), Status.OK],
    [
      'a key agreement',
      (key) =>
        key.send(
          0x06,
          new Map([
            [1, 2],
            [2, SubCommand.getKeyAgreement],
          ]),
        ),
      Status.OK,
    ],
    ['a command that there is not', (key) => key.send(0x55), Status.INVALID_COMMAND],
    ['a request that is not CBOR', (key) => key.raw(Uint8Array.of(0x01, 0xff)), Status.INVALID_CBOR],
    ['a registration without its parameters', (key) => key.makeCredential({ 1: undefined }), Status.MISSING_PARAMETER],
    ['a sign-in without its parameters', (key) => key.getAssertion({ 1: undefined }), Status.MISSING_PARAMETER],
    ['a next account', (key) => key.send(Command.getNextAssertion), Status.NOT_ALLOWED],
    ['a management command without a token', (key) => key.send(0x0a, new Map([[1, 1]])), Status.PUAT_REQUIRED],
    ['the next of a list', (key) => key.send(0x0a, new Map([[1, 3]])), Status.NOT_ALLOWED],
    ['a config subcommand that there is not', (key) => key.send(0x0d, new Map([[1, 0x77]])), Status.INVALID_PARAMETER],
    [
      'a large-blob request that says nothing',
      (key) => key.send(Command.largeBlobs, new Map([[3, 0]])),
      Status.INVALID_PARAMETER,
    ],
  ])('stays locked for %s', async (_, send, status) => {
    const key = await lockedKey();
    expect((await send(key)).status).toBe(status);
    expect(key.asked).not.toContain('unlock');
    expect(key.vault.isLocked).toBe(true);
  });

  it('does not ask to unlock for a reset that comes too late', async () => {
    const key = await lockedKey();
    key.environment.clock.time += key.policy.resetWindowMs + 1;
    expect((await key.send(Command.reset)).status).toBe(Status.NOT_ALLOWED);
    expect(key.asked).toEqual([]);
  });
});

describe('getInfo of a locked key', () => {
  const clientPin = ({ members }: platform.Response) =>
    (members.get(0x04) as ReadonlyMap<string, boolean>).get('clientPin');

  it('tells what is known of the device, and leaves out what only the vault knows', async () => {
    const key = await lockedKey();
    const response = await key.send(Command.getInfo);
    expect(response.status).toBe(Status.OK);
    expect(clientPin(response)).toBe(true);
    expect(response.members.get(0x0d)).toBe(6);
    expect(response.members.get(0x18)).toBe(true);
    for (const member of [0x14, 0x19, 0x1e]) expect(response.members.has(member)).toBe(false);
    expect(key.asked).toEqual([]);
  });

  it('is the same as that of the open key in everything else', async () => {
    const key = new LockableKey();
    const open = new Map((await key.send(Command.getInfo)).members);
    key.vault.publicState = { ...publicState, hasPin: false, minPINLength: 4, longTouchForReset: false };
    await key.lock();
    const { members } = await key.send(Command.getInfo);
    open.delete(0x14);
    expect(members).toEqual(open);
  });

  it('asks to unlock if nobody knows what the vault holds', async () => {
    const key = await lockedKey();
    key.vault.publicState = undefined;
    expect(clientPin(await key.send(Command.getInfo))).toBe(false);
    expect(key.asked).toEqual(['unlock']);
  });
});

describe('U2F on a locked key', () => {
  const register = platform.registerApdu(platform.sha256('challenge'), platform.sha256(rpId));

  it('says "not yet" until the vault is unlocked, and asks once however often the host polls', async () => {
    const key = await lockedKey();
    key.person.onUnlock = 'nothing';
    for (let poll = 0; poll < 3; poll++) expect((await key.u2f(register)).word).toBe(notYet);
    expect(key.asked).toEqual(['unlock']);
    key.gate.answer('approved');
    expect((await key.u2f(register)).word).toBe(0x9000);
    expect(key.asked).toEqual(['unlock', 'u2f-register']);
  });

  it('stays "not yet" for a host that polls on after nobody unlocked', async () => {
    const key = await lockedKey();
    key.person.onUnlock = 'timed-out';
    for (let poll = 0; poll < 3; poll++) expect((await key.u2f(register)).word).toBe(notYet);
    expect(key.asked).toEqual(['unlock']);
  });

  it('answers the version and what is malformed without the vault', async () => {
    const key = await lockedKey();
    expect((await key.u2f(platform.apdu(0x03, 0))).word).toBe(0x9000);
    expect((await key.u2f(register.subarray(0, 20))).word).toBe(wrongLength);
    expect(key.asked).toEqual([]);
  });

  it('is off under alwaysUv, known before and found out after', async () => {
    const key = await lockedKey();
    key.vault.publicState = { ...publicState, alwaysUv: true };
    expect((await key.u2f(register)).word).toBe(0x6986);
    expect(key.asked).toEqual([]);
    key.vault.publicState = undefined;
    key.vault.isLocked = false;
    await key.vault.update((tx) => tx.setDevice({ alwaysUv: true }));
    await key.lock();
    expect((await key.u2f(register)).word).toBe(0x6986);
    expect(key.asked).toEqual(['unlock']);
  });
});

describe('a lock', () => {
  const pin = '1357';
  async function keyWithPin() {
    const key = new LockableKey();
    const client = new PinClient(key);
    await client.setPin(pin);
    return { key, client };
  }

  it('makes tokens void', async () => {
    const { key, client } = await keyWithPin();
    const token = await client.token(pin, 0x03);
    await key.lock();
    const changes: Changes = token.forMakeCredential;
    expect((await key.makeCredential(changes)).status).toBe(Status.PIN_AUTH_INVALID);
  });

  it('makes a new key for the key agreement', async () => {
    const { key } = await keyWithPin();
    const agreement = async () =>
      (
        await key.send(
          0x06,
          new Map([
            [1, 2],
            [2, SubCommand.getKeyAgreement],
          ]),
        )
      ).members.get(1);
    const before = await agreement();
    await key.lock();
    expect(await agreement()).not.toEqual(before);
  });

  it('ends the other accounts of a sign-in', async () => {
    const key = new LockableKey();
    for (const name of ['alice', 'bob']) {
      await key.register({ 3: map({ id: Buffer.from(name) }), 7: map({ rk: true }) });
    }
    await key.getAssertion();
    await key.lock();
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
  });

  it('is no power cycle: neither for wrong PINs in a row nor for the window of a reset', async () => {
    const { key, client } = await keyWithPin();
    for (let i = 0; i < 2; i++) await client.requestToken('9999');
    await key.lock();
    expect((await client.requestToken('9999')).status).toBe(0x34);
    key.environment.clock.time += key.policy.resetWindowMs + 1;
    await key.lock();
    expect((await key.send(Command.reset)).status).toBe(Status.NOT_ALLOWED);
  });

  it('waits for the request before it, and the next one waits for the lock', async () => {
    const key = new LockableKey();
    key.gate.script = 'nothing';
    const registration = key.makeCredential();
    await key.gate.nextPrompt;
    const locked = key.lock();
    key.gate.script = 'approved';
    const signIn = key.getAssertion();
    expect(key.vault.isLocked).toBe(false);
    key.gate.answer('approved');
    platform.verifyRegistration(await registration, rpId, clientDataHash);
    await locked;
    expect((await signIn).status).toBe(Status.NO_CREDENTIALS);
    expect(key.asked).toEqual(['register', 'unlock']);
  });

  it('that fails is told to who asked for it, and the key goes on', async () => {
    const key = new LockableKey();
    const refused = key.authenticator.lock(() => Promise.reject(new Error('the disk is gone')));
    await expect(refused).rejects.toThrow('the disk is gone');
    await key.register();
  });
});
