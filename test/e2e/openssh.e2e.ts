// OpenSSH: a key pair whose private half stays in passfob.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { start, succeed } from './command.ts';
import { type Daemon, startDaemon, transports } from './daemon.ts';

describe.each(transports)('over %s', (transport) => {
  let daemon: Daemon;

  beforeAll(async () => {
    daemon = await startDaemon({ transport });
    await daemon.node();
  });
  afterAll(() => daemon?.stop());

  test('ssh-keygen makes an ecdsa-sk key, signs with it and verifies the signature', async () => {
    const cwd = daemon.folder;
    await succeed('ssh-keygen', ['-t', 'ecdsa-sk', '-f', 'id', '-N', '', '-C', 'ada'], { cwd });
    const publicKey = readFileSync(join(cwd, 'id.pub'), 'utf8');
    expect(publicKey).toMatch(/^sk-ecdsa-sha2-nistp256@openssh\.com /);

    const message = 'what ada has to say\n';
    writeFileSync(join(cwd, 'message'), message);
    await succeed('ssh-keygen', ['-Y', 'sign', '-f', 'id', '-n', 'file', 'message'], { cwd });

    writeFileSync(join(cwd, 'signers'), `ada ${publicKey}`);
    const verify = ['-Y', 'verify', '-f', 'signers', '-I', 'ada', '-n', 'file', '-s', 'message.sig'];
    expect(await succeed('ssh-keygen', verify, { cwd, input: message })).toMatch(/^Good "file" signature for ada /);
    expect((await start('ssh-keygen', verify, { cwd, input: 'something else\n' }).finished).code).not.toBe(0);

    // OpenSSH keeps the credential's id in its own key file: nothing of it is in the vault.
    expect(await daemon.credentials()).toEqual([]);
  });
});
