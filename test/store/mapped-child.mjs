// Another process that uses a vault: deletes the credential whose id it is sent, and answers when that is on the disk.
// Argument: the vault's folder.
import { openVault } from '../../dist/store/vault.js';

const vault = await openVault(process.argv[2], { keyFile: Buffer.alloc(32, 7) });
process.on('message', async (id) => {
  await vault.update((tx) => tx.deleteCredential(Buffer.from(id, 'hex')));
  process.send('deleted');
});
process.on('disconnect', () => vault.close());
process.send('open');
