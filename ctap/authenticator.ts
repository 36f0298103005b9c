// The one entrance to CTAP: a request in, a response out, never an exception. Here are the table of commands, the
// order of requests, and the only place where an error becomes a status byte. CTAP 2.1 §6, §8.

import { Call } from './call.ts';
import { type CborMap, decodeParameters, encodeCbor, MapReader } from './cbor.ts';
import { clientPin } from './commands/client-pin.ts';
import { config } from './commands/config.ts';
import { credentialManagement } from './commands/credential-management.ts';
import { getAssertion } from './commands/get-assertion.ts';
import { getInfo } from './commands/get-info.ts';
import { getNextAssertion } from './commands/get-next-assertion.ts';
import { largeBlobs } from './commands/large-blobs.ts';
import { makeCredential } from './commands/make-credential.ts';
import { reset } from './commands/reset.ts';
import { selection } from './commands/selection.ts';
import type { Environment, RequestContext } from './env.ts';
import { defaultPolicy, type Policy } from './policy.ts';
import { Session } from './session.ts';
import { CtapError, Status } from './status.ts';
import { U2f } from './u2f.ts';
import { Command } from './wire.ts';

/** Gives back the members of the response, or undefined if there are none. */
type CommandHandler = (call: Call) => CborMap | undefined | Promise<CborMap | undefined>;

const commands: ReadonlyMap<number | undefined, CommandHandler> = new Map<number, CommandHandler>([
  [Command.authenticatorMakeCredential, makeCredential],
  [Command.authenticatorGetAssertion, getAssertion],
  [Command.authenticatorGetInfo, getInfo],
  [Command.authenticatorClientPIN, clientPin],
  [Command.authenticatorReset, reset],
  [Command.authenticatorGetNextAssertion, getNextAssertion],
  [Command.authenticatorCredentialManagement, credentialManagement],
  [Command.authenticatorSelection, selection],
  [Command.authenticatorLargeBlobs, largeBlobs],
  [Command.authenticatorConfig, config],
  [Command.prototypeCredentialManagement, credentialManagement],
]);

export class Authenticator {
  readonly #environment: Environment;
  readonly #policy: Policy;
  readonly #u2f: U2f;
  #session: Session;
  /** Settles when the request before is answered; never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(environment: Environment, policy: Policy = defaultPolicy) {
    this.#environment = environment;
    this.#policy = policy;
    this.#u2f = new U2f(environment, policy);
    this.#session = new Session(environment);
  }

  /**
   * Carries out one CTAP2 command: command byte and CBOR parameters in; status byte and CBOR members out.
   * Requests are carried out one at a time, in order of arrival, those of `msg` included. Never rejects.
   */
  cbor(request: Uint8Array, context: RequestContext): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      try {
        return await this.#dispatch(request, context);
      } catch (error) {
        if (error instanceof CtapError) return Uint8Array.of(error.status);
        this.#environment.reportBug(error);
        return Uint8Array.of(Status.OTHER);
      }
    });
  }

  /** Carries out one U2F command: an APDU in; data and status word out. Never rejects. */
  msg(request: Uint8Array, _context: RequestContext): Promise<Uint8Array> {
    return this.#inTurn(() => {
      this.#session.beginCommand();
      return this.#u2f.handle(request);
    });
  }

  /** Forgets whatever a key forgets that is pulled out and plugged in again. The vault stays as it is. */
  powerCycle(): void {
    this.#session = new Session(this.#environment);
    void this.#u2f.cancel();
  }

  /**
   * Forgets every secret, once the request before is answered, and closes the vault in between requests. What a power
   * cycle is needed for stays as it is: the window of a reset, and wrong PINs in a row.
   */
  async lock(closeVault: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => {
      await this.#u2f.cancel();
      this.#session.wipe();
      this.#environment.crypto.forget?.();
      await closeVault();
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #dispatch(request: Uint8Array, context: RequestContext): Promise<Uint8Array> {
    if (request.length > this.#policy.maxMsgSize) throw new CtapError('REQUEST_TOO_LARGE');
    const [code] = request;
    if (code === undefined) throw new CtapError('INVALID_LENGTH');
    const handler = commands.get(code);
    if (!handler) throw new CtapError('INVALID_COMMAND');
    await this.#u2f.cancel();
    this.#session.beginCommand(code);
    const call = new Call(this.#environment, this.#policy, this.#session, readParameters(request), context);
    call.throwIfCancelled();
    const members = await handler(call);
    return members ? encodeResponse(members) : Uint8Array.of(Status.OK);
  }

  #inTurn(handle: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const response = this.#turn.then(handle);
    this.#turn = response;
    return response;
  }
}

/** No parameters at all are the same as an empty map of them. */
function readParameters(request: Uint8Array): MapReader {
  if (request.length === 1) return new MapReader(new Map(), 'MISSING_PARAMETER');
  return decodeParameters(request.subarray(1));
}

function encodeResponse(members: CborMap): Uint8Array {
  const encoded = encodeCbor(members);
  const response = new Uint8Array(1 + encoded.length);
  response.set(encoded, 1);
  return response;
}
