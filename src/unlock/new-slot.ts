// Makes a slot together with what keeps its secret: a file, the keyring, systemd. If the vault does not take the slot,
// nothing stays behind.

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { newSlotId, type OpenVault, type SlotInfo } from '../../store/vault.ts';
import { createKeyFile, readKeyFile } from './key-file.ts';
import { desktopKeyring, type Keyring } from './keyring.ts';
import { type MachineKey, type RunProgram, sealToMachine } from './systemd-creds.ts';

const secretBytes = 32;

/** A slot that opens with the file; one that is not there is made, of 32 random bytes. @throws VaultError, UserError */
export async function addKeyFileSlot(vault: OpenVault, path: string, label?: string): Promise<SlotInfo> {
  const present = readKeyFile(path);
  const keyFile = present ?? createKeyFile(path);
  try {
    return await vault.addSlot({ keyFile }, labelled(label));
  } catch (error) {
    if (!present) rmSync(path, { force: true });
    throw error;
  } finally {
    keyFile.fill(0);
  }
}

/** A slot that opens while its user is logged in. @throws VaultError */
export async function addKeyringSlot(
  vault: OpenVault,
  label?: string,
  keyring: Keyring = desktopKeyring,
): Promise<SlotInfo> {
  const id = newSlotId();
  const secret = randomBytes(secretBytes);
  await keyring.set(id, secret);
  try {
    return await vault.addSlot({ keyring: { id, secret } }, labelled(label));
  } catch (error) {
    await keyring.delete(id);
    throw error;
  } finally {
    secret.fill(0);
  }
}

/** A slot that opens on this machine only. @throws VaultError */
export async function addMachineSlot(
  vault: OpenVault,
  key: MachineKey,
  label?: string,
  run?: RunProgram,
): Promise<SlotInfo> {
  const id = newSlotId();
  const secret = randomBytes(secretBytes);
  try {
    const sealed = await sealToMachine(id, secret, key, run);
    return await vault.addSlot({ systemdCreds: { id, secret, sealed } }, labelled(label));
  } finally {
    secret.fill(0);
  }
}

function labelled(label: string | undefined): { label?: string } {
  return label === undefined ? {} : { label };
}
