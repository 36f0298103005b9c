// The command line's end of the control socket: KeyOperations of a daemon, and what only a daemon can do.

import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { dirname } from 'node:path';
import { errorCode } from '../../hid/transports/unix-socket.ts';
import { type ExitCode, exitCode, UserError } from '../errors.ts';
import type { PortableVaultJson } from '../exchange/portable.ts';
import { base64url } from '../jwk.ts';
import { isPrivateDirectory } from '../private-directory.ts';
import type { WayIn } from '../unlock/way-in.ts';
import { type CredentialList, newestFirst } from './newest-first.ts';
import type {
  CredentialDetails,
  CredentialEntry,
  CredentialExport,
  CredentialView,
  Dump,
  ImportOptions,
  ImportReport,
  KeyOperations,
  UserNames,
  VaultCheck,
} from './operations.ts';
import { type DaemonStatus, jsonLines, type ScriptedMode } from './protocol.ts';

/** A daemon is busy for moments only; one that was suspended answers nothing. */
const statusTimeoutMs = 5000;

export class ControlClient implements KeyOperations {
  readonly #path: string;

  constructor(socketPath: string) {
    this.#path = socketPath;
  }

  /**
   * What the daemon says of itself; undefined if none answers on this socket.
   * @throws UserError if the socket is not to be trusted, or its daemon does not answer
   */
  async status(): Promise<DaemonStatus | undefined> {
    if (!isPrivateDirectory(dirname(this.#path))) return undefined;
    try {
      return await this.#call('GET', '/status', undefined, statusTimeoutMs);
    } catch (error) {
      if (error instanceof DaemonLost && error.isAbsence) return undefined;
      throw error;
    }
  }

  /** The daemon reads on as these are taken. */
  async *credentials(): AsyncGenerator<CredentialEntry> {
    const call = request({ socketPath: this.#path, path: '/credentials', agent: false }).end();
    try {
      const [response] = (await once(call, 'response')) as [IncomingMessage];
      const isOurs = response.headers['content-type'] === jsonLines;
      for await (const line of linesOf(response)) {
        const entry = parse(line);
        if (!isOurs || entry === undefined || isFailure(entry)) throw failure(entry);
        yield entry as CredentialEntry;
      }
    } catch (error) {
      throw error instanceof UserError ? error : new DaemonLost(this.#path, error as Error);
    } finally {
      call.destroy();
    }
  }

  list(): Promise<CredentialList> {
    return newestFirst(this.credentials());
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

  dump(way?: WayIn): Promise<Dump> {
    return way === undefined ? this.#call('GET', '/dump') : this.#call('POST', '/dump', way);
  }

  exportCredentials(way: WayIn): Promise<CredentialExport> {
    return this.#call('POST', '/export', way);
  }

  importCredentials(content: PortableVaultJson, options: ImportOptions): Promise<ImportReport> {
    return this.#call('POST', '/import', { content, ...options });
  }

  check(): Promise<VaultCheck> {
    return this.#call('GET', '/check');
  }

  async dropDamaged(records: readonly string[]): Promise<number> {
    return (await this.#call<{ dropped: number }>('POST', '/drop', { records })).dropped;
  }

  async ctap(request: Uint8Array): Promise<Uint8Array> {
    const { response } = await this.#call<{ response: string }>('POST', '/ctap', { request: base64url(request) });
    return Buffer.from(response, 'base64url');
  }

  async reset(): Promise<void> {
    await this.#call('POST', '/reset', {});
  }

  async replug(): Promise<void> {
    await this.#call('POST', '/replug', {});
  }

  async lock(): Promise<void> {
    await this.#call('POST', '/lock', {});
  }

  /**
   * Whether the vault is open now; without `way` only ways that need nobody are tried.
   * @throws UserError with exit code `vault` if this does not open it
   */
  async unlock(way?: WayIn): Promise<boolean> {
    return (await this.#call<{ unlocked: boolean }>('POST', '/unlock', way ?? {})).unlocked;
  }

  async setConsent(mode: ScriptedMode): Promise<void> {
    await this.#call('POST', '/consent', { mode });
  }

  async close(): Promise<void> {}

  async #call<T>(method: string, path: string, body?: unknown, timeoutMs?: number): Promise<T> {
    const { status, text } = await exchange(
      request({ socketPath: this.#path, method, path, agent: false }),
      body === undefined ? '' : JSON.stringify(body),
      timeoutMs,
    ).catch((error: Error) => {
      throw new DaemonLost(this.#path, error);
    });
    const answer = parse(text);
    if (status === 200 && answer !== undefined) return answer as T;
    throw failure(answer);
  }
}

/** The daemon is not there, or went away before it answered. */
class DaemonLost extends UserError {
  /** Nobody listens there: no socket, or one that a killed daemon left. */
  readonly isAbsence: boolean;

  constructor(path: string, cause: Error) {
    super(
      `no answer from the daemon at ${path}: ${cause.message}`,
      'see whether it still runs, and what it printed',
      exitCode.daemon,
    );
    this.isAbsence = ['ENOENT', 'ECONNREFUSED'].includes(errorCode(cause) ?? '');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface Failure {
  readonly error: { readonly message: string; readonly hint?: string; readonly exitCode: ExitCode };
}

function isFailure(answer: unknown): answer is Failure {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}

function failure(answer: unknown): UserError {
  if (!isFailure(answer)) {
    return new UserError("the daemon answered in words that are not passfob's", undefined, exitCode.daemon);
  }
  const { message, hint, exitCode: code } = answer.error;
  return new UserError(message, hint, code);
}

/** By line feeds alone: names may hold what else ends a line in Unicode. */
async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function exchange(call: ClientRequest, body: string, timeoutMs?: number): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const timer =
      timeoutMs === undefined ? undefined : setTimeout(() => call.destroy(new Error('it does not react')), timeoutMs);
    call.once('close', () => clearTimeout(timer));
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
