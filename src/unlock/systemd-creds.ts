// systemd-creds: seals the secret of a slot to this machine's TPM 2, its host key, or both. systemd-creds(1).

import { spawn } from 'node:child_process';
import { VaultError } from '../../store/vault.ts';
import { credentialName } from './credentials-directory.ts';

export const machineKeys = ['auto', 'host', 'tpm2'] as const;
export type MachineKey = (typeof machineKeys)[number];

/** Runs a program on `input`; resolves to its output. A fake in tests. */
export type RunProgram = (program: string, args: readonly string[], input: Uint8Array) => Promise<Uint8Array>;

/** The secret (any bytes) as only this machine opens it. @throws VaultError `no-access` if systemd refuses */
export function sealToMachine(
  slotId: string,
  secret: Uint8Array,
  key: MachineKey,
  run: RunProgram = runProgram,
): Promise<Uint8Array> {
  return run('systemd-creds', [...scope(slotId), `--with-key=${key}`, 'encrypt', '-', '-'], secret);
}

/** The inverse, on the same machine. @throws VaultError `no-access` if systemd refuses */
export function openOnMachine(slotId: string, sealed: Uint8Array, run: RunProgram = runProgram): Promise<Uint8Array> {
  return run('systemd-creds', [...scope(slotId), 'decrypt', '-', '-'], sealed);
}

/** Only root may use the machine's keys directly; for others systemd 256 does it, bound to their user. */
function scope(slotId: string): string[] {
  return [...(process.geteuid?.() === 0 ? [] : ['--user']), `--name=${credentialName(slotId)}`];
}

function runProgram(program: string, args: readonly string[], input: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string) => reject(refusal(program, reason));
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const output: Buffer[] = [];
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => {
      complaint += chunk.toString('utf8');
    });
    child.once('error', (error) => refuse(error.message));
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(output));
      else refuse(complaint.trim().split('\n').at(-1) || `it ended with ${code}`);
      for (const chunk of output) chunk.fill(0);
    });
    child.stdin.on('error', () => undefined); // It ended early, which its exit code tells.
    child.stdin.end(input);
  });
}

function refusal(program: string, reason: string): VaultError {
  return new VaultError('no-access', `${program} failed: ${reason}`, {
    hint: 'it needs systemd 250 or later for root, 256 or later for other users',
  });
}
