// What authenticatorCredentialManagement refuses, and how far a token for one relying party reaches.

import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { hash, managed, newestId, request, send, threeAccounts, tokenOf } from '../../support/credential-manager.ts';
import { type Changes, descriptor, Key, map, rpId, user } from '../../support/key.ts';
import { Permission } from '../../support/pin-client.ts';
import * as platform from '../../support/platform.ts';

describe('credentialManagement', () => {
  describe('refuses', () => {
    it('a subCommand that is missing, unknown or of another type (CM-12)', async () => {
      const key = new Key();
      expect((await send(key, {})).status).toBe(Status.MISSING_PARAMETER);
      for (const unknown of [0x00, 0x08, 0x101]) {
        expect((await send(key, { 1: unknown })).status).toBe(Status.INVALID_SUBCOMMAND);
      }
      expect((await send(key, { 1: '1' })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    });

    const params: Record<number, Changes | undefined> = {
      1: undefined,
      2: undefined,
      4: { 1: hash(rpId) },
      6: { 2: descriptor(new Uint8Array(32)) },
      7: { 2: descriptor(new Uint8Array(32)), 3: user('alice') },
    };
    for (const subCommand of [0x01, 0x02, 0x04, 0x06, 0x07]) {
      it(`what is not authorized, in the order of the specification: subcommand 0${subCommand} (CM-07)`, async () => {
        const { key, client, token } = await managed();
        const good = request(subCommand, token, params[subCommand]);
        for (const [what, changes, status] of [
          ['nothing', { 2: undefined, 3: undefined, 4: undefined }, Status.PUAT_REQUIRED],
          ['no pinUvAuthParam', { 4: undefined }, Status.PUAT_REQUIRED],
          ['no protocol', { 3: undefined }, Status.MISSING_PARAMETER],
          ['an unknown protocol', { 3: 3 }, Status.INVALID_PARAMETER],
          ['a negative protocol', { 3: -1 }, Status.INVALID_PARAMETER],
          ['the other protocol', { 3: 1 }, Status.PIN_AUTH_INVALID],
          ['a wrong MAC', { 4: new Uint8Array(32) }, Status.PIN_AUTH_INVALID],
          ['an empty MAC', { 4: new Uint8Array(0) }, Status.PIN_AUTH_INVALID],
          ['a MAC over another subcommand', { 4: token.authenticate(Buffer.of(9)) }, Status.PIN_AUTH_INVALID],
        ] as [string, Changes, number][]) {
          expect((await send(key, { ...good, ...changes })).status, what).toBe(status);
        }
        if (params[subCommand]) {
          const bare = { ...good, 2: undefined, 3: 9 };
          expect((await send(key, bare)).status, 'no parameters').toBe(Status.MISSING_PARAMETER);
          for (const name of Object.keys(params[subCommand] ?? {})) {
            const incomplete = { ...params[subCommand], [name]: undefined };
            const { status } = await send(key, request(subCommand, token, incomplete));
            expect(status, `no parameter ${name}`).toBe(Status.MISSING_PARAMETER);
          }
        }
        const other = await tokenOf(client, Permission.mc | Permission.ga | Permission.lbw, rpId);
        expect((await send(key, request(subCommand, other, params[subCommand]))).status).toBe(Status.PIN_AUTH_INVALID);
      });
    }

    it('a token from before the newest one (PIN-TOK-04)', async () => {
      const { key, client, token } = await managed(threeAccounts);
      await tokenOf(client, Permission.cm);
      expect((await send(key, request(0x01, token))).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('to change anything for the persistent token (CM-06)', async () => {
      const { key, token } = await managed(threeAccounts, { permissions: Permission.pcmr });
      const credentialID = descriptor(newestId(key));
      for (const change of [
        request(0x06, token, { 2: credentialID }),
        request(0x07, token, { 2: credentialID, 3: user('bob', { name: 'robert' }) }),
      ]) {
        expect((await send(key, change)).status).toBe(Status.PIN_AUTH_INVALID);
      }
    });

    it('wrong types of parameters', async () => {
      const { key, token } = await managed(threeAccounts);
      for (const changes of [
        request(0x04, token, { 1: rpId }),
        request(0x06, token, { 2: new Uint8Array(32) }),
        request(0x06, token, { 2: map({ id: new Uint8Array(32) }) }),
        request(0x07, token, { 2: descriptor(newestId(key)), 3: map({ name: 'x' }) }),
        { ...request(0x01, token), 2: [] },
        { ...request(0x01, token), 4: 'x' },
      ] as Changes[]) {
        const expected = Array.isArray(changes[2]) ? Status.PIN_AUTH_INVALID : Status.CBOR_UNEXPECTED_TYPE;
        expect((await send(key, changes)).status).toBe(expected);
      }
    });
  });

  describe('with a token for one relying party (CM-08)', () => {
    const open = () => managed(threeAccounts, { bound: rpId });

    it('neither counts nor lists relying parties', async () => {
      const { key, token } = await open();
      for (const subCommand of [0x01, 0x02]) {
        expect((await send(key, request(subCommand, token))).status).toBe(Status.PIN_AUTH_INVALID);
      }
    });

    it('lists, updates and deletes what belongs to it', async () => {
      const { key, token } = await open();
      expect((await send(key, request(0x04, token, { 1: hash(rpId) }))).members[9]).toBe(2);
      const credentialID = descriptor(newestId(key));
      const renamed = request(0x07, token, { 2: credentialID, 3: user('bob', { name: 'robert' }) });
      expect((await send(key, renamed)).status).toBe(Status.OK);
      expect((await send(key, request(0x06, token, { 2: credentialID }))).status).toBe(Status.OK);
    });

    it('reaches nothing else, and cannot tell whether it is there', async () => {
      const { key, token } = await open();
      const [other] = key.environment.vault.credentialsOf(platform.sha256('other.example'));
      for (const id of [other?.id ?? new Uint8Array(), new Uint8Array(32)]) {
        for (const [subCommand, params] of [
          [0x06, { 2: descriptor(id) }],
          [0x07, { 2: descriptor(id), 3: user('alice') }],
        ] as const) {
          expect((await send(key, request(subCommand, token, params))).status).toBe(Status.PIN_AUTH_INVALID);
        }
      }
      const list = request(0x04, token, { 1: hash('other.example') });
      expect((await send(key, list)).status).toBe(Status.PIN_AUTH_INVALID);
    });
  });
});
