// A platform that speaks authenticatorClientPIN to a key under test, and makes pinUvAuthParams with what it got.

import { type Changes, clientDataHash, type Key, rpId } from './key.ts';
import * as platform from './platform.ts';

export const protocols = [1, 2] as const;
export const Permission = { mc: 1, ga: 2, cm: 4, be: 8, lbw: 16, acfg: 32, pcmr: 64 } as const;
export const SubCommand = {
  getPINRetries: 1,
  getKeyAgreement: 2,
  setPIN: 3,
  changePIN: 4,
  getPinToken: 5,
  getTokenUsingUv: 6,
  getUVRetries: 7,
  getTokenUsingPin: 9,
} as const;

/** Parameters with text or small-number keys in any order; `undefined` leaves one out. */
function parametersOf(members: Changes): platform.Value {
  const given = Object.entries(members).map(([key, value]) => [Number(key), value] as const);
  return new Map(given.filter((member): member is [number, platform.Value] => member[1] !== undefined));
}

/** A pinUvAuthToken and the protocol it belongs to. */
export class Token {
  readonly protocol: 1 | 2;
  readonly bytes: Uint8Array;

  constructor(protocol: 1 | 2, bytes: Uint8Array) {
    this.protocol = protocol;
    this.bytes = bytes;
  }

  authenticate(message: Uint8Array): Uint8Array {
    return platform.authenticate(this.protocol, this.bytes, message);
  }

  /** The parameters of makeCredential that show this token. */
  get forMakeCredential(): Changes {
    return { 8: this.authenticate(clientDataHash), 9: this.protocol };
  }

  /** The parameters of getAssertion that show this token. */
  get forGetAssertion(): Changes {
    return { 6: this.authenticate(clientDataHash), 7: this.protocol };
  }
}

export class PinClient {
  readonly key: Key;
  readonly protocol: 1 | 2;

  constructor(key: Key, protocol: 1 | 2 = 2) {
    this.key = key;
    this.protocol = protocol;
  }

  send(members: Changes): Promise<platform.Response> {
    return this.key.send(0x06, parametersOf(members));
  }

  async agree(): Promise<platform.Agreement> {
    const { members } = await this.send({ 1: this.protocol, 2: SubCommand.getKeyAgreement });
    return platform.agree(this.protocol, members.get(1) as ReadonlyMap<platform.Key, platform.Value>);
  }

  async setPin(pin: string | Uint8Array, changes: Changes = {}): Promise<number> {
    const shared = await this.agree();
    const newPinEnc = shared.encrypt(typeof pin === 'string' ? platform.paddedPin(pin) : pin);
    const { status } = await this.send({
      ...{ 1: this.protocol, 2: SubCommand.setPIN, 3: shared.coseKey },
      ...{ 4: shared.authenticate(newPinEnc), 5: newPinEnc, ...changes },
    });
    return status;
  }

  async changePin(oldPin: string, newPin: string | Uint8Array, changes: Changes = {}): Promise<number> {
    const shared = await this.agree();
    const newPinEnc = shared.encrypt(typeof newPin === 'string' ? platform.paddedPin(newPin) : newPin);
    const pinHashEnc = shared.encrypt(platform.hashedPin(oldPin));
    const { status } = await this.send({
      ...{ 1: this.protocol, 2: SubCommand.changePIN, 3: shared.coseKey },
      ...{ 4: shared.authenticate(Buffer.concat([newPinEnc, pinHashEnc])), 5: newPinEnc, 6: pinHashEnc, ...changes },
    });
    return status;
  }

  /** Subcommand 0x05, or with permissions 0x09. */
  async requestToken(pin: string, changes: Changes = {}): Promise<{ status: number; token: Token; size: number }> {
    const shared = await this.agree();
    const subCommand = 9 in changes ? SubCommand.getTokenUsingPin : SubCommand.getPinToken;
    const pinHashEnc = shared.encrypt(platform.hashedPin(pin));
    return this.#receive(shared, { 2: subCommand, 6: pinHashEnc, ...changes });
  }

  /** Subcommand 0x06. */
  async requestTokenUsingUv(permissions: number, changes: Changes = {}) {
    const shared = await this.agree();
    return this.#receive(shared, { 2: SubCommand.getTokenUsingUv, 9: permissions, ...changes });
  }

  /** A token that the key must give. */
  async token(pin: string, permissions?: number, rp: string | undefined = rpId): Promise<Token> {
    const scope: Changes = permissions === undefined ? {} : { 9: permissions, 10: rp };
    const { status, token } = await this.requestToken(pin, scope);
    if (status !== 0) throw new Error(`no token: status 0x${status.toString(16)}`);
    return token;
  }

  async retries(): Promise<platform.Value | undefined> {
    return (await this.send({ 2: SubCommand.getPINRetries })).members.get(3);
  }

  /** authenticatorConfig; with a token if one is given. */
  async config(subCommand: number, params?: ReadonlyMap<number, platform.Value>, token?: Token): Promise<number> {
    const encoded = params ? platform.encode(params) : new Uint8Array(0);
    const message = Buffer.concat([Buffer.alloc(32, 0xff), Buffer.of(0x0d, subCommand), encoded]);
    const proof: Changes = token ? { 3: token.protocol, 4: token.authenticate(message) } : {};
    const { status } = await this.key.send(0x0d, parametersOf({ 1: subCommand, 2: params, ...proof }));
    return status;
  }

  async #receive(shared: platform.Agreement, members: Changes) {
    const response = await this.send({ 1: this.protocol, 3: shared.coseKey, ...members });
    const encrypted = response.members.get(2);
    const bytes = encrypted instanceof Uint8Array ? shared.decrypt(encrypted) : new Uint8Array(0);
    const size = encrypted instanceof Uint8Array ? encrypted.length : 0;
    return { status: response.status, token: new Token(this.protocol, bytes), size };
  }
}
