// The command line's end of the control socket: KeyOperations of a daemon, and what only a daemon can do.

import { type ClientRequest, request } from 'node:http';
import { type ExitCode, exitCode, UserError } from '../errors.ts';
import type {
  CredentialDetails,
  CredentialList,
  CredentialView,
  Dump,
  KeyOperations,
  UserNames,
} from './operations.ts';
import type { DaemonStatus, ScriptedMode } from './protocol.ts';

export class ControlClient implements KeyOperations {
  readonly #path: string;

  constructor(socketPath: string) {
    this.#path = socketPath;
  }

  /** What the daemon says of itself; undefined if none answers on this socket. */
  async status(): Promise<DaemonStatus | undefined> {
    try {
      return await this.#call('GET', '/status');
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  list(): Promise<CredentialList> {
    return this.#call('GET', '/credentials');
  }

  show(id: string): Promise<CredentialDetails> {
    return this.#call('GET', credentialPath(id));
  }

  delete(id: string): Promise<CredentialView> {
    return this.#call('DELETE', credentialPath(id));
  }

  rename(id: string, names: UserNames): Promise<CredentialView> {
    return this.#call('PATCH', credentialPath(id), names);
  }

  dump(passphrase?: string): Promise<Dump> {
    return passphrase === undefined ? this.#call('GET', '/dump') : this.#call('POST', '/dump', { passphrase });
  }

  async info(): Promise<Uint8Array> {
    const { response } = await this.#call<{ response: string }>('GET', '/info');
    return Buffer.from(response, 'base64url');
  }

  async reset(): Promise<void> {
    await this.#call('POST', '/reset', {});
  }

  async replug(): Promise<void> {
    await this.#call('POST', '/replug', {});
  }

  async setConsent(mode: ScriptedMode): Promise<void> {
    await this.#call('POST', '/consent', { mode });
  }

  async close(): Promise<void> {}

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const { status, text } = await exchange(
      request({ socketPath: this.#path, method, path, agent: false }),
      body === undefined ? '' : JSON.stringify(body),
    );
    const answer = JSON.parse(text);
    if (status === 200) return answer as T;
    const { message, hint, exitCode: code } = answer.error as { message: string; hint?: string; exitCode: ExitCode };
    throw new UserError(message, hint, code);
  }
}

/** Nobody listens there: no socket, or one that a killed daemon left. */
function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ECONNREFUSED'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function exchange(call: ClientRequest, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    call.once('error', reject);
    call.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    call.end(body);
  });
}

/** An id is base64url; anything else can be in no path, nor can it be the beginning of an id. */
function credentialPath(id: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(id)) {
    throw new UserError(
      `"${id}" is not the beginning of a credential id`,
      'ids are base64url; `passfob credentials list` shows them',
      exitCode.notFound,
    );
  }
  return `/credentials/${id}`;
}
