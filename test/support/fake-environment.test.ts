// The fakes are held to the same contracts as the real things.

import { FakeVault } from './fake-environment.ts';
import { vaultContract } from './vault-contract.ts';

vaultContract('the fake vault', async () => ({ vault: new FakeVault(), close: async () => {} }));
