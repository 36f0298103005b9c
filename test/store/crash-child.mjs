// Registers, signs and deletes as fast as it can and tells of each only when it is done, until it is killed.
import { writeSync } from 'node:fs';
import { openVault } from '../../dist/store/vault.js';

const [directory, first] = process.argv.slice(2);
const vault = await openVault(directory, { passphrase: 'correct horse' });
const id = (number) => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
};
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

for (let number = Number(first); ; number += 4) {
  const registrations = [0, 1, 2, 3].map(async (offset) => {
    const credential = {
      id: id(number + offset),
      rpIdHash: new Uint8Array(32).fill(offset),
      algorithm: -7,
      privateKey: new Uint8Array(32),
      publicKey: new Uint8Array(65),
      kind: 'device-bound',
      credProtect: 1,
      credRandom: { withUV: new Uint8Array(32), withoutUV: new Uint8Array(32) },
      thirdPartyPayment: false,
      rpId: 'example.org',
      user: { id: id(number) },
      createdAt: number,
    };
    await vault.update((tx) => tx.putCredential(credential));
    say({ registered: number + offset });
    for (let i = 0; i < 50; i++) say({ count: vault.nextSignCount() });
  });
  await Promise.all(registrations);
  say({ deleting: number });
  await vault.update((tx) => tx.deleteCredential(id(number)));
  say({ deleted: number });
  await new Promise(setImmediate);
}
