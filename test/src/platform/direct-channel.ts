// A CborChannel without a cable: calls the authenticator and keeps what was said.
import { Authenticator } from '../../../ctap/authenticator.ts';
import { type CborMap, decodeCbor } from '../../../ctap/cbor.ts';
import type { CborChannel, RequestOptions } from '../../../src/platform/ctap-client.ts';
import { type FakeEnvironment, fakeEnvironment } from '../../support/fake-environment.ts';

export class DirectChannel implements CborChannel {
  readonly environment: FakeEnvironment = fakeEnvironment();
  readonly requests: Uint8Array[] = [];
  readonly #authenticator = new Authenticator(this.environment);

  cbor(request: Uint8Array, { signal = new AbortController().signal }: RequestOptions = {}): Promise<Uint8Array> {
    this.requests.push(request);
    return this.#authenticator.cbor(request, { channel: 1, signal, waitingFor: () => {} });
  }

  /** The parameters of the requests with this command code, decoded. */
  parametersOf(command: number): CborMap[] {
    return this.requests
      .filter(([code]) => code === command)
      .map((request) => decodeCbor(request.subarray(1)) as CborMap);
  }
}

/** Answers each request with the next of the given messages. */
export function scriptedChannel(...answers: Uint8Array[]): CborChannel & { readonly requests: Uint8Array[] } {
  const requests: Uint8Array[] = [];
  return {
    requests,
    cbor: async (request) => {
      requests.push(request);
      return answers.shift() ?? new Uint8Array();
    },
  };
}
