// CTAP2 as the platform speaks it: one method a command, over anything that carries a CBOR message to a key.
// Credential management and large blobs are not here yet. CTAP 2.1 §6.

import {
  boolean,
  bytes,
  type CborMap,
  type CborValue,
  decodeParameters,
  encodeCbor,
  type MapReader,
  map,
  text,
  unsigned,
} from '../../ctap/cbor.ts';
import type { UserEntity } from '../../ctap/env.ts';
import { Status } from '../../ctap/status.ts';
import {
  ClientPinRequest,
  ClientPinResponse,
  Command,
  ConfigRequest,
  GetAssertionRequest,
  GetAssertionResponse,
  MakeCredentialRequest,
  MakeCredentialResponse,
} from '../../ctap/wire.ts';
import { type AuthenticatorInfo, decodeInfo } from './authenticator-info.ts';
import { CtapStatusError } from './ctap-status-error.ts';

/** Carries one CTAP message to a key and its answer back. hid/host/ctaphid-client.ts fits by shape. */
export interface CborChannel {
  /**
   * `request` is a command byte and its parameters, the answer a status byte and its members. When `signal` aborts,
   * the key is told to cancel, and its answer (KEEPALIVE_CANCEL) or a rejection ends the call.
   */
  cbor(request: Uint8Array, options?: RequestOptions): Promise<Uint8Array>;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** Told the status of each CTAPHID keepalive: 1 while the key is processing, 2 while it waits for its user. */
  readonly onKeepalive?: (status: number) => void;
}

/** CTAP 2.1 §6.1. Options that are false are not sent: that is their default, and a key may not know them. */
export interface MakeCredentialParameters {
  /** 32 bytes. */
  readonly clientDataHash: Uint8Array;
  readonly rp: { readonly id: string; readonly name?: string };
  readonly user: UserEntity;
  /** COSE numbers, most preferred first. */
  readonly algorithms: readonly number[];
  /** Credential ids. */
  readonly excludeList?: readonly Uint8Array[];
  readonly rk?: boolean;
  readonly uv?: boolean;
}

export interface NewCredential {
  readonly fmt: string;
  readonly authData: Uint8Array;
  readonly attStmt: CborMap;
}

/** CTAP 2.1 §6.2. */
export interface GetAssertionParameters {
  readonly rpId: string;
  /** 32 bytes. */
  readonly clientDataHash: Uint8Array;
  /** Credential ids; left out or empty, the key looks for discoverable credentials. */
  readonly allowList?: readonly Uint8Array[];
  /** False asks only whether the key has one of the credentials; nobody is disturbed. */
  readonly up?: false;
  readonly uv?: boolean;
}

export interface Assertion {
  /** Undefined from old keys, if the allow list had just one element. */
  readonly credentialId: Uint8Array | undefined;
  readonly authData: Uint8Array;
  readonly signature: Uint8Array;
  readonly user: UserEntity | undefined;
  /** How many assertions there are in all; the others come from getNextAssertion. */
  readonly numberOfCredentials: number;
}

/** CTAP 2.1 §6.5. Which members go with which subcommand: §6.5.5. */
export interface ClientPinParameters {
  /** One of `ClientPinSubCommand`. */
  readonly subCommand: number;
  readonly pinUvAuthProtocol?: number;
  /** A COSE_Key. */
  readonly keyAgreement?: CborMap;
  readonly pinUvAuthParam?: Uint8Array;
  readonly newPinEnc?: Uint8Array;
  readonly pinHashEnc?: Uint8Array;
  /** Bits of `Permission`. */
  readonly permissions?: number;
  readonly rpId?: string;
}

export interface ClientPinAnswer {
  readonly keyAgreement: MapReader | undefined;
  /** Encrypted. */
  readonly pinUvAuthToken: Uint8Array | undefined;
  readonly pinRetries: number | undefined;
  readonly powerCycleState: boolean | undefined;
}

/** A right to act for the owner for a while; getting one takes the PIN or a look at the owner. CTAP 2.1 §6.5.2. */
export interface PinUvAuthToken {
  authenticate(message: Uint8Array): { readonly pinUvAuthProtocol: number; readonly pinUvAuthParam: Uint8Array };
}

/** Every method throws CtapStatusError if the key refuses, and CtapError if its answer cannot be read. */
export class CtapClient {
  readonly #channel: CborChannel;

  constructor(channel: CborChannel) {
    this.#channel = channel;
  }

  async getInfo(options?: RequestOptions): Promise<AuthenticatorInfo> {
    return decodeInfo(await this.#command(Command.authenticatorGetInfo, undefined, options));
  }

  async makeCredential(parameters: MakeCredentialParameters, options?: RequestOptions): Promise<NewCredential> {
    const { clientDataHash, rp, user, algorithms, excludeList, rk, uv } = parameters;
    const request = new Map<number, CborValue | undefined>([
      [MakeCredentialRequest.clientDataHash, clientDataHash],
      [MakeCredentialRequest.rp, members({ id: rp.id, name: rp.name })],
      [MakeCredentialRequest.user, members({ id: user.id, name: user.name, displayName: user.displayName })],
      [MakeCredentialRequest.pubKeyCredParams, algorithms.map((alg) => members({ alg, type: 'public-key' }))],
      [MakeCredentialRequest.excludeList, descriptors(excludeList)],
      [MakeCredentialRequest.options, optionsOf({ rk: rk || undefined, uv: uv || undefined })],
    ]);
    const answer = decodeParameters(await this.#command(Command.authenticatorMakeCredential, request, options));
    return {
      fmt: answer.required(MakeCredentialResponse.fmt, text),
      authData: answer.required(MakeCredentialResponse.authData, bytes),
      attStmt: answer.optional(MakeCredentialResponse.attStmt, wholeMap) ?? new Map(),
    };
  }

  async getAssertion(parameters: GetAssertionParameters, options?: RequestOptions): Promise<Assertion> {
    const { rpId, clientDataHash, allowList, up, uv } = parameters;
    const request = new Map<number, CborValue | undefined>([
      [GetAssertionRequest.rpId, rpId],
      [GetAssertionRequest.clientDataHash, clientDataHash],
      [GetAssertionRequest.allowList, descriptors(allowList)],
      [GetAssertionRequest.options, optionsOf({ up, uv: uv || undefined })],
    ]);
    return readAssertion(await this.#command(Command.authenticatorGetAssertion, request, options));
  }

  /** The next of the assertions that the last getAssertion counted. CTAP 2.1 §6.3. */
  async getNextAssertion(options?: RequestOptions): Promise<Assertion> {
    return readAssertion(await this.#command(Command.authenticatorGetNextAssertion, undefined, options));
  }

  async clientPin(parameters: ClientPinParameters, options?: RequestOptions): Promise<ClientPinAnswer> {
    const request = new Map<number, CborValue | undefined>([
      [ClientPinRequest.pinUvAuthProtocol, parameters.pinUvAuthProtocol],
      [ClientPinRequest.subCommand, parameters.subCommand],
      [ClientPinRequest.keyAgreement, parameters.keyAgreement],
      [ClientPinRequest.pinUvAuthParam, parameters.pinUvAuthParam],
      [ClientPinRequest.newPinEnc, parameters.newPinEnc],
      [ClientPinRequest.pinHashEnc, parameters.pinHashEnc],
      [ClientPinRequest.permissions, parameters.permissions],
      [ClientPinRequest.rpId, parameters.rpId],
    ]);
    const response = await this.#command(Command.authenticatorClientPIN, request, options);
    // Setting and changing the PIN are answered with a status only.
    const answer = response.length > 0 ? decodeParameters(response) : undefined;
    return {
      keyAgreement: answer?.optional(ClientPinResponse.keyAgreement, map),
      pinUvAuthToken: answer?.optional(ClientPinResponse.pinUvAuthToken, bytes),
      pinRetries: answer?.optional(ClientPinResponse.pinRetries, unsigned),
      powerCycleState: answer?.optional(ClientPinResponse.powerCycleState, boolean),
    };
  }

  /**
   * authenticatorConfig: one of `ConfigSubCommand`, with its parameters. A key that nothing protects takes it without a
   * token. CTAP 2.1 §6.11.
   */
  async config(
    subCommand: number,
    subCommandParams?: CborMap,
    token?: PinUvAuthToken,
    options?: RequestOptions,
  ): Promise<void> {
    const message = Uint8Array.of(
      ...new Uint8Array(32).fill(0xff),
      ...[Command.authenticatorConfig, subCommand],
      ...(subCommandParams ? encodeCbor(subCommandParams) : []),
    );
    const proof = token?.authenticate(message);
    const request = new Map<number, CborValue | undefined>([
      [ConfigRequest.subCommand, subCommand],
      [ConfigRequest.subCommandParams, subCommandParams],
      [ConfigRequest.pinUvAuthProtocol, proof?.pinUvAuthProtocol],
      [ConfigRequest.pinUvAuthParam, proof?.pinUvAuthParam],
    ]);
    await this.#command(Command.authenticatorConfig, request, options);
  }

  /** Resolves when a person has chosen this key among several. CTAP 2.1 §6.9. */
  async selection(options?: RequestOptions): Promise<void> {
    await this.#command(Command.authenticatorSelection, undefined, options);
  }

  /** Deletes every credential of the key, after a person agreed. CTAP 2.1 §6.6. */
  async reset(options?: RequestOptions): Promise<void> {
    await this.#command(Command.authenticatorReset, undefined, options);
  }

  /** Sends one command; the answer without its status byte. */
  async #command(code: number, parameters: CborMap | undefined, options?: RequestOptions): Promise<Uint8Array> {
    const encoded = parameters ? encodeCbor(parameters) : [];
    const answer = await this.#channel.cbor(Uint8Array.of(code, ...encoded), options);
    const status = answer[0];
    if (status === undefined) {
      throw new Error('expected an answer with a status byte, got an empty one');
    }
    if (status !== Status.OK) {
      throw new CtapStatusError(status);
    }
    return answer.subarray(1);
  }
}

function readAssertion(response: Uint8Array): Assertion {
  const answer = decodeParameters(response);
  return {
    credentialId: answer.optional(GetAssertionResponse.credential, map)?.required('id', bytes),
    authData: answer.required(GetAssertionResponse.authData, bytes),
    signature: answer.required(GetAssertionResponse.signature, bytes),
    user: answer.optional(GetAssertionResponse.user, (value) => readUser(map(value))),
    numberOfCredentials: answer.optional(GetAssertionResponse.numberOfCredentials, unsigned) ?? 1,
  };
}

function readUser(user: MapReader): UserEntity {
  const name = user.optional('name', text);
  const displayName = user.optional('displayName', text);
  return {
    id: user.required('id', bytes),
    ...(name !== undefined && { name }),
    ...(displayName !== undefined && { displayName }),
  };
}

function members(object: Readonly<Record<string, CborValue | undefined>>): CborMap {
  return new Map(Object.entries(object));
}

/** Neither an empty list nor an empty map of options is sent: keys read them as something else than their absence. */
function descriptors(ids: readonly Uint8Array[] | undefined): CborValue | undefined {
  return ids?.length ? ids.map((id) => members({ id, type: 'public-key' })) : undefined;
}

function optionsOf(options: Readonly<Record<string, boolean | undefined>>): CborMap | undefined {
  return Object.values(options).some((value) => value !== undefined) ? members(options) : undefined;
}

function wholeMap(value: CborValue): CborMap {
  map(value);
  return value as CborMap;
}
