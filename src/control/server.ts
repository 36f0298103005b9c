// The daemon's end of the control socket. Whoever can open the socket owns the vault's files anyway: mode 0600 in a
// folder of mode 0700 is the whole authentication, and no secret is given out without a way into the vault.

import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { errorCode, listenOnUnixSocket } from '../../hid/transports/unix-socket.ts';
import { VaultError } from '../../store/vault.ts';
import { exitCode, UserError } from '../errors.ts';
import type { PortableVaultJson } from '../exchange/portable.ts';
import { base64url } from '../jwk.ts';
import type { Log } from '../log.ts';
import { ensurePrivateDirectory } from '../private-directory.ts';
import type { WayIn } from '../unlock/way-in.ts';
import type { ImportOptions, KeyOperations, UserNames } from './operations.ts';
import {
  type DaemonStatus,
  jsonLines,
  maxBodyBytes,
  maxImportBytes,
  type ScriptedMode,
  scriptedModes,
} from './protocol.ts';

/** What only a daemon can do. */
export interface DaemonControl {
  status(): DaemonStatus;
  replug(): Promise<void>;
  lock(): Promise<void>;
  /** Whether the vault is open now; without `way` only ways that need nobody are tried. @throws VaultError `wrong-passphrase`, `wrong-phrase`, `wrong-key` */
  unlock(way?: WayIn): Promise<boolean>;
  /** @throws UserError unless the daemon runs with `--consent scripted`. */
  setConsent(mode: ScriptedMode): void;
}

export interface ControlServer {
  close(): Promise<void>;
  /** Removes the socket at once, for a dying process. */
  closeNow(): void;
}

/** Characters of lines that are written at once. */
const linesAtOnce = 16 * 1024;

/** What it resolves to is the answer; what it iterates over, the answer's lines. */
type Route = (body: unknown, id: string) => Promise<unknown> | AsyncIterable<unknown>;

/**
 * Listens on the Unix socket `path`. Who listens there is the one daemon of its vault.
 * @throws UserError with exit code `daemon` if another one does
 */
export async function startControlServer(
  path: string,
  operations: KeyOperations,
  control: DaemonControl,
  log: Log,
): Promise<ControlServer> {
  ensurePrivateDirectory(dirname(path));
  const routes = makeRoutes(operations, control);
  const server = createServer((request, response) => {
    void answer(routes, request, response, log);
  });
  await listenOnUnixSocket(server, path).catch((error: Error) => {
    if (errorCode(error) !== 'EADDRINUSE') throw new UserError(`cannot listen on ${path}: ${error.message}`);
    throw new UserError('another daemon serves this vault already', `it listens on ${path}`, exitCode.daemon);
  });
  return {
    closeNow: () => rmSync(path, { force: true }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function makeRoutes(operations: KeyOperations, control: DaemonControl): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ['GET /status', async () => control.status()],
    ['GET /credentials', () => operations.credentials()],
    ['GET /credentials/*', (_, id) => operations.show(id)],
    ['DELETE /credentials/*', (_, id) => operations.delete(id)],
    ['PATCH /credentials/*', (body, id) => operations.rename(id, userNames(body))],
    ['GET /dump', () => operations.dump()],
    ['POST /dump', (body) => operations.dump(requiredWayIn(body))],
    ['GET /check', () => operations.check()],
    ['POST /export', (body) => operations.exportCredentials(requiredWayIn(body))],
    ['POST /drop', async (body) => ({ dropped: await operations.dropDamaged(texts(body, 'records')) })],
    // Its content is read, and refused with the path of what is wrong, where it is used.
    ['POST /import', (body) => operations.importCredentials(member(body, 'content') as PortableVaultJson, mode(body))],
    ['POST /ctap', async (body) => ({ response: base64url(await operations.ctap(ctapRequest(body))) })],
    ['POST /consent', async (body) => control.setConsent(scriptedMode(body))],
    ['POST /lock', () => control.lock()],
    ['POST /unlock', async (body) => ({ unlocked: await control.unlock(wayIn(body)) })],
    ['POST /replug', () => control.replug()],
    ['POST /reset', () => operations.reset()],
  ]);
}

async function answer(
  routes: ReadonlyMap<string, Route>,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  const [path, id] = splitPath(request.url ?? '/');
  try {
    const route = routes.get(`${request.method} ${path}`);
    if (!route) throw new UserError(`unknown request: ${request.method} ${path}`, undefined, exitCode.usage);
    const result = route(await readBody(request, path === '/import' ? maxImportBytes : maxBodyBytes), id);
    if (Symbol.asyncIterator in result) await sendLines(response, result);
    else send(response, 200, (await result) ?? {});
  } catch (error) {
    // Half a request is from a client that went away.
    if (!(error instanceof UserError || error instanceof VaultError) && request.complete)
      log.error(`control: ${error instanceof Error ? error.stack : String(error)}`);
    if (response.headersSent) response.end(line({ error: describe(error) }));
    else send(response, error instanceof UserError ? 400 : 500, { error: describe(error) });
  }
}

/** `/credentials/abc` becomes `/credentials/*` and `abc`. */
function splitPath(url: string): [path: string, id: string] {
  const [, noun = '', id] = url.split('/');
  return id === undefined ? [`/${noun}`, ''] : [`/${noun}/*`, id];
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new UserError('the request is too large', undefined, exitCode.usage);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new UserError('the request is not JSON', undefined, exitCode.usage);
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** No faster than the client reads, and no longer than it is there. */
async function sendLines(response: ServerResponse, values: AsyncIterable<unknown>): Promise<void> {
  const closed = new Promise((resolve) => response.once('close', resolve));
  response.writeHead(200, { 'content-type': jsonLines });
  let text = '';
  for await (const value of values) {
    text += line(value);
    if (text.length < linesAtOnce) continue;
    if (!response.write(text)) await Promise.race([once(response, 'drain'), closed]);
    if (response.destroyed) return;
    text = '';
  }
  response.end(text);
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** A bug's text may hold anything, so it stays in the daemon's log. */
function describe(error: unknown): { message: string; hint?: string | undefined; exitCode: number } {
  if (error instanceof UserError) return { message: error.message, hint: error.hint, exitCode: error.exitCode };
  if (error instanceof VaultError) return { message: error.message, hint: error.hint, exitCode: exitCode.vault };
  return { message: 'the daemon failed', hint: 'its log says why', exitCode: exitCode.failure };
}

function member(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
}

function text(body: unknown, name: string): string {
  const value = member(body, name);
  if (typeof value !== 'string') throw new UserError(`"${name}" must be a text`, undefined, exitCode.usage);
  return value;
}

function texts(body: unknown, name: string): string[] {
  const value = member(body, name);
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value;
  throw new UserError(`"${name}" must be an array of texts`, undefined, exitCode.usage);
}

function ctapRequest(body: unknown): Uint8Array {
  return Buffer.from(text(body, 'request'), 'base64url');
}

function wayIn(body: unknown): WayIn | undefined {
  if (member(body, 'passphrase') !== undefined) return { passphrase: text(body, 'passphrase') };
  if (member(body, 'recoveryPhrase') !== undefined) return { recoveryPhrase: text(body, 'recoveryPhrase') };
  return member(body, 'keyFile') === undefined ? undefined : { keyFile: text(body, 'keyFile') };
}

function requiredWayIn(body: unknown): WayIn {
  const way = wayIn(body);
  if (way) return way;
  throw new UserError('"passphrase", "recoveryPhrase" or "keyFile" must be there', undefined, exitCode.usage);
}

function userNames(body: unknown): UserNames {
  return {
    ...(member(body, 'userName') !== undefined && { userName: text(body, 'userName') }),
    ...(member(body, 'userDisplayName') !== undefined && { userDisplayName: text(body, 'userDisplayName') }),
  };
}

function mode(body: unknown): ImportOptions {
  return { replace: member(body, 'replace') === true, dryRun: member(body, 'dryRun') === true };
}

function scriptedMode(body: unknown): ScriptedMode {
  const mode = scriptedModes.find((candidate) => candidate === member(body, 'mode'));
  if (!mode) throw new UserError(`"mode" must be one of ${scriptedModes.join(', ')}`, undefined, exitCode.usage);
  return mode;
}
