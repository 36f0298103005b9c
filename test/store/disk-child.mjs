// Fills a vault until the disk refuses; prints what happened as JSON. Run under a file size limit or on a small disk.
import { createVault, openVault } from '../../dist/store/vault.js';

const [directory] = process.argv.slice(2);
const unlock = { passphrase: 'correct horse' };
const numbered = (number, length) => {
  const bytes = new Uint8Array(length);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
};
const credential = (number) => ({
  id: numbered(number, 32),
  rpIdHash: numbered(number % 7, 32),
  algorithm: -7,
  privateKey: numbered(1, 32),
  publicKey: numbered(2, 65),
  kind: 'device-bound',
  credProtect: 1,
  credRandom: { withUV: new Uint8Array(32), withoutUV: new Uint8Array(32) },
  thirdPartyPayment: false,
  rpId: 'example.org',
  user: { id: numbered(number, 8), name: 'x'.repeat(200) },
  createdAt: number,
});

const told = (error) => error.code ?? `${error}`;
const vault = await createVault(directory, unlock, { scryptLogN: 4 });
let acknowledged = 0;
let refusal;
while (refusal === undefined && acknowledged < 100_000) {
  await vault
    .update((tx) => tx.putCredential(credential(acknowledged)))
    .then(
      () => acknowledged++,
      (error) => {
        refusal = told(error);
      },
    );
}
const again = await vault.update((tx) => tx.putCredential(credential(acknowledged))).catch(told);
const seen = vault.credentialCount();
await vault.close().catch(told);
const reopened = await openVault(directory, unlock).catch(told);
let kept = 0;
while (kept < acknowledged && reopened.credential?.(credential(kept).id)) kept++;
console.log(JSON.stringify({ refusal, again, isComplete: seen === acknowledged, isKept: kept === acknowledged }));
