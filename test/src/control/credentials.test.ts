// All credentials of a key, one at a time: from the vault through the control socket to a reader that takes its time,
// while the key goes on signing in.

import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { approveAlways } from '../../../src/consent/automatic.ts';
import { ControlClient } from '../../../src/control/client.ts';
import { type Device, LocalOperations } from '../../../src/control/local-operations.ts';
import { newestFirst } from '../../../src/control/newest-first.ts';
import type { CredentialEntry, CredentialView, KeyOperations } from '../../../src/control/operations.ts';
import { jsonLines } from '../../../src/control/protocol.ts';
import { type DaemonControl, startControlServer } from '../../../src/control/server.ts';
import { startDaemon } from '../../../src/daemon.ts';
import { LockableVault } from '../../../src/lock/lockable-vault.ts';
import { createLog } from '../../../src/log.ts';
import { createVault, openVault, VaultError } from '../../../store/vault.ts';
import { clientDataHash, map, rpId } from '../../support/key.ts';
import * as platform from '../../support/platform.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

const credentialCount = 2000;
const passphrase = { passphrase: 'correct horse' };

let folder: string;
let path: string;
/** A vault that holds thousands; each site has one. Each daemon gets a copy. */
let filled: string;
beforeAll(async () => {
  filled = mkdtempSync(join(tmpdir(), 'passfob-filled-'));
  const vault = await createVault(filled, passphrase, { scryptLogN: 1 });
  await vault.update((tx) => {
    for (let number = 0; number < credentialCount; number++) tx.putCredential(credential(number));
  });
  await vault.close();
});
afterAll(() => rmSync(filled, { recursive: true }));

const log: string[] = [];
const stops: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-list-'));
  path = join(folder, 'control.sock');
  log.length = 0;
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  rmSync(folder, { recursive: true });
});

const writeLog = createLog('debug', (line) => log.push(line));

function view(number: number, change: Partial<CredentialView> = {}): CredentialView {
  return {
    id: `id${number}`,
    rpId,
    userName: `user${number}`,
    userDisplayName: null,
    createdAt: new Date(number).toISOString(),
    discoverable: true,
    algorithm: -7,
    ...change,
  };
}

async function* each(...entries: (CredentialEntry | Error)[]): AsyncGenerator<CredentialEntry> {
  for (const entry of entries) {
    if (entry instanceof Error) throw entry;
    yield entry;
  }
}

async function serve(entries: AsyncIterable<CredentialEntry>): Promise<ControlClient> {
  const operations = { credentials: () => entries } as unknown as KeyOperations;
  const control = { status: () => ({ running: true }) } as unknown as DaemonControl;
  const server = await startControlServer(path, operations, control, writeLog);
  stops.push(() => server.close());
  return new ControlClient(path);
}

/** In the daemon's place. */
function listen(listener: RequestListener): Promise<ControlClient> {
  return new Promise<Server>((resolve) => {
    const server = createServer(listener).listen({ path }, () => resolve(server));
    stops.push(() => new Promise((closed) => server.close(closed)));
  }).then(() => new ControlClient(path));
}

async function read(entries: AsyncIterable<CredentialEntry>, into: CredentialEntry[] = []): Promise<CredentialEntry[]> {
  for await (const entry of entries) into.push(entry);
  return into;
}

/** A daemon on a vault that holds thousands. */
async function runDaemon() {
  const directory = join(folder, 'vault');
  cpSync(filled, directory, { recursive: true });
  const vault = new LockableVault(directory, await openVault(directory, passphrase));
  const transport = new LoopbackTransport();
  const daemon = await startDaemon({
    vault,
    lock: { open: (unlock) => openVault(directory, unlock) },
    transports: [transport],
    gate: approveAlways,
    consent: 'always',
    log: writeLog,
    controlSocket: path,
    onTransportError: (_, error) => expect.fail(error.message),
  });
  stops.push(() => daemon.stop());
  const host = await CtapHidClient.connect(transport.connect());
  const call = async (command: number, parameters: Map<number, platform.Value>) =>
    platform.parseResponse(await host.cbor(platform.request(command, parameters)));
  return {
    vault,
    control: new ControlClient(path),
    register: async () =>
      platform.verifyRegistration(
        await call(
          0x01,
          new Map<number, platform.Value>([
            [1, clientDataHash],
            [2, map({ id: 'new.example' })],
            [3, map({ id: Buffer.from('ada'), name: 'ada', displayName: 'Ada' })],
            [4, [map({ alg: -7, type: 'public-key' })]],
            [7, map({ rk: true })],
          ]),
        ),
        'new.example',
        clientDataHash,
      ),
    signIn: (site: string) =>
      call(
        0x02,
        new Map<number, platform.Value>([
          [1, site],
          [2, clientDataHash],
        ]),
      ),
  };
}

function credential(number: number) {
  const site = `site-${number}.example`;
  return sampleCredential(1, {
    id: createHash('sha256').update(`id ${number}`).digest(),
    rpIdHash: createHash('sha256').update(site).digest(),
    rpId: site,
    publicKey: new Uint8Array(65).fill(4),
    createdAt: number,
  });
}

describe('a list that is read slowly', () => {
  test('is not read ahead by the daemon, however long it is', async () => {
    let taken = 0;
    let ended: () => void = () => undefined;
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const text = 'x'.repeat(1000);
    const control = await serve(
      (async function* () {
        try {
          for (;;) yield view(taken++, { userName: text });
        } finally {
          ended();
        }
      })(),
    );
    const list = control.credentials();
    expect(await list.next()).toMatchObject({ value: { id: 'id0' } });
    // Where the daemon goes on without the reader, it does so between these answers.
    let before = -1;
    for (let same = 0; same < 20 && taken < 10_000; before = taken) {
      await control.status();
      same = taken === before ? same + 1 : 0;
    }
    expect(taken).toBeLessThan(10_000);
    const stoppedAt = taken;
    for (let number = 1; number < 2 * stoppedAt; number++) {
      expect(await list.next()).toMatchObject({ value: { id: `id${number}` } });
    }
    expect(taken).toBeGreaterThan(stoppedAt);
    await list.return(undefined);
    await end;
    expect(log).toEqual([]);
  });

  test('shows all that was there when it began, while the key registers and signs in', async () => {
    const { control, register, signIn } = await runDaemon();
    const list = control.credentials();
    const entries = [(await list.next()).value as CredentialEntry];
    const registered = await register();
    platform.verifyAssertion(await signIn('new.example'), 'new.example', clientDataHash, () => registered.publicKey);
    await read(list, entries);
    // What comes in meanwhile may be in it, or not.
    const shown = entries.map((entry) => ('rpId' in entry ? entry.rpId : entry.damaged));
    expect(shown.filter((rpId) => rpId !== 'new.example').sort()).toEqual(
      Array.from({ length: credentialCount }, (_, number) => `site-${number}.example`).sort(),
    );
    expect((await control.list()).total).toBe(credentialCount + 1);
  });

  test('ends where the vault is locked, with the way to unlock it', async () => {
    const { control, vault } = await runDaemon();
    const local = new LocalOperations(vault, {} as Device).credentials();
    const remote = control.credentials();
    await local.next();
    await remote.next();
    await control.lock();
    const locked = { message: 'the vault is locked', hint: 'open it with `passfob unlock`' };
    await expect(local.next()).rejects.toMatchObject(locked);
    await expect(read(remote)).rejects.toMatchObject({ ...locked, name: 'UserError', exitCode: 3 });
    await control.unlock(passphrase);
    expect((await control.list()).total).toBe(credentialCount);
  });
});

test('a sign-in does not wait for the end of a list that is read as fast as it goes', async () => {
  const { vault, register, signIn } = await runDaemon();
  await register();
  let answered = false;
  // Reports of a true host come in with a turn of the event loop.
  const answer = nextTurn()
    .then(() => signIn('new.example'))
    .then(({ status }) => {
      answered = true;
      return status;
    });
  let readBefore = 0;
  for await (const _ of new LocalOperations(vault, {} as Device).credentials()) if (!answered) readBefore++;
  expect(readBefore).toBeLessThan(credentialCount);
  expect(await answer).toBe(0);
});

describe('in a vault of thousands', () => {
  const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  const device = { aaguid: new Uint8Array(16) } as Device;

  test.each<[string, (key: LocalOperations) => Promise<unknown>]>([
    ['show', (key) => key.show(base64url(credential(1).id).slice(0, 12))],
    ['delete', (key) => key.delete(base64url(credential(1).id).slice(0, 12))],
    ['rename', (key) => key.rename(base64url(credential(1).id).slice(0, 12), { userName: 'ada' })],
    ['dump', (key) => key.dump()],
    ['export', (key) => key.exportCredentials(passphrase)],
  ])('%s lets others have their turn while it reads', async (_, act) => {
    const { vault } = await runDaemon();
    let turns = 0;
    let next = setImmediate(function count() {
      turns++;
      next = setImmediate(count);
    });
    await act(new LocalOperations(vault, device));
    clearImmediate(next);
    expect(turns).toBeGreaterThan(credentialCount / 100);
  });

  test('a credential that is named by its whole id is found without reading the others', async () => {
    const { vault } = await runDaemon();
    const readAll = vi.spyOn(vault, 'credentials');
    const key = new LocalOperations(vault, device);
    const id = base64url(credential(7).id);
    expect(await key.show(id)).toMatchObject({ id, rpId: 'site-7.example' });
    expect(await key.rename(id, { userName: 'ada' })).toMatchObject({ id, userName: 'ada' });
    expect(await key.delete(id)).toMatchObject({ id, userName: 'ada' });
    expect(readAll).not.toHaveBeenCalled();
    await expect(key.show(id)).rejects.toMatchObject({ exitCode: 4 });
  });

  test('what is deleted while it is looked for is not brought back by its new name', async () => {
    const { vault } = await runDaemon();
    const { id } = credential(7);
    const renaming = new LocalOperations(vault, device).rename(base64url(id).slice(0, 12), { userName: 'ada' });
    await vault.update((tx) => tx.deleteCredential(id));
    await expect(renaming).rejects.toMatchObject({ exitCode: 4 });
    expect(vault.credential(id)).toBeUndefined();
  });

  test('what is changed while it is looked for keeps that change under its new name', async () => {
    const { vault } = await runDaemon();
    const { id } = credential(7);
    const renaming = new LocalOperations(vault, device).rename(base64url(id).slice(0, 12), { userName: 'ada' });
    await vault.update((tx) => tx.putCredential({ ...credential(7), credBlob: Uint8Array.of(1) }));
    expect(await renaming).toMatchObject({ userName: 'ada' });
    expect(vault.credential(id)).toMatchObject({ credBlob: Uint8Array.of(1), user: { name: 'ada' } });
  });
});

describe('a list over the control socket', () => {
  test('is the same list, with what is damaged and with any name', async () => {
    const entries = [view(1), { damaged: 'record 10ab is damaged' }, view(2, { userName: 'a\u2028b\r\nc\u0085 é 🔑' })];
    expect(await read((await serve(each(...entries))).credentials())).toEqual(entries);
  });

  test('of an empty vault is empty', async () => {
    expect(await (await serve(each())).list()).toEqual({ credentials: [], total: 0, damaged: [] });
  });

  test('ends with the error that ended it', async () => {
    const control = await serve(each(view(1), new VaultError('io', 'cannot read the vault')));
    await expect(control.list()).rejects.toMatchObject({ message: 'cannot read the vault', exitCode: 3 });
    expect(log).toEqual([]);
  });

  test("keeps a bug's text in the log", async () => {
    const control = await serve(each(view(1), new TypeError('secret')));
    await expect(control.list()).rejects.toMatchObject({ message: 'the daemon failed', exitCode: 1 });
    expect(log).toEqual([expect.stringContaining('TypeError: secret')]);
  });

  test('is no list where the daemon went away before its end', async () => {
    const control = await listen((_, response) => {
      response.writeHead(200, { 'content-type': jsonLines });
      response.write(`${JSON.stringify(view(1))}\n`, () => response.destroy());
    });
    await expect(control.list()).rejects.toMatchObject({ name: 'UserError', exitCode: 5 });
  });

  test.each([
    ['of an older daemon', 'application/json', '{"credentials":[],"damaged":[]}'],
    ['of something else', 'text/html', '<html>\n'],
    ['of broken lines', jsonLines, '{"id":'],
  ])('is not taken from the words %s', async (_, type, body) => {
    const control = await listen((_, response) => response.writeHead(200, { 'content-type': type }).end(body));
    await expect(control.list()).rejects.toThrow("the daemon answered in words that are not passfob's");
  });
});

describe('the newest credentials', () => {
  const entries = () => each(...[3, 1, 9, 5, 7, 2, 8].map((number) => view(number)), { damaged: 'one' });
  const ids = async (most?: number) => (await newestFirst(entries(), most)).credentials.map(({ id }) => id);

  test('come first, and no more than are asked for', async () => {
    expect(await ids()).toEqual(['id9', 'id8', 'id7', 'id5', 'id3', 'id2', 'id1']);
    expect(await ids(3)).toEqual(['id9', 'id8', 'id7']);
  });

  test('are counted with the others, and what is damaged is told', async () => {
    expect(await newestFirst(entries(), 1)).toMatchObject({ total: 7, damaged: ['one'] });
  });
});
