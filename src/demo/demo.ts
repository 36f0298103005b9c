// `passfob demo`: a throw-away key meets a relying party on this machine. Where browsers can see the key, people do the
// rest; elsewhere the program signs up and in by itself.

import type { Prompt } from '../../ctap/env.ts';
import type { CborChannel } from '../platform/ctap-client.ts';
import { type RelyingParty, startRelyingParty } from './relying-party.ts';
import { walkThrough } from './walkthrough.ts';

/** The key of the demo. It approves every request by itself. */
export interface DemoKey {
  /** How it is plugged in, e.g. `uhid`. */
  readonly name: string;
  readonly visibleToBrowsers: boolean;
  /** Why no browser can see it, e.g. `/dev/uhid: permission denied`. */
  readonly why?: string;
  connect(): Promise<CborChannel & { close(): Promise<void> }>;
  /** Calls the listener with every request that the key approves. */
  onApproved(listener: (prompt: Prompt) => void): void;
}

export interface DemoOptions {
  /** Performs the walkthrough even where a browser could see the key. */
  readonly once: boolean;
  /** The relying party's; left out, the first free one from 8787 on. */
  readonly port?: number;
  readonly print: (line: string) => void;
  /** Ends the demo. */
  readonly signal: AbortSignal;
  readonly key: DemoKey;
}

/** Resolves when the walkthrough is done or the signal has aborted. @throws Error that names the step that failed. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { key, once, port, print } = options;
  const relyingParty = await startRelyingParty(port === undefined ? {} : { port });
  try {
    key.onApproved((prompt) => print(`     ${'key approved'.padEnd(14)}${words(prompt)}`));
    await (key.visibleToBrowsers && !once
      ? welcomeBrowsers(relyingParty, options)
      : demonstrate(relyingParty, options));
  } finally {
    await relyingParty.close();
  }
}

async function welcomeBrowsers(relyingParty: RelyingParty, { key, print, signal }: DemoOptions): Promise<void> {
  print(`A security key is plugged in (${key.name}). Nothing that it holds outlives this demo.`);
  print('');
  print(`     Open ${relyingParty.url} in Chromium or Firefox, register, and sign in.`);
  print('     The key approves every request by itself. End with Ctrl+C.');
  print('');
  relyingParty.on('registered', ({ userName, fmt, algorithmName, signCount }) => {
    print(`     ${'registered'.padEnd(14)}${userName} (${algorithmName}, attestation ${fmt}, counter ${signCount})`);
  });
  relyingParty.on('signed-in', ({ userName, withoutUserName, previousSignCount, signCount }) => {
    const how = withoutUserName ? 'without a user name' : 'with the user name';
    print(`     ${'signed in'.padEnd(14)}${userName} (${how}, counter ${signCount}, after ${previousSignCount})`);
  });
  relyingParty.on('refused', ({ path, message }) => print(`     ${'refused'.padEnd(14)}${path}: ${message}`));
  await aborted(signal);
}

async function demonstrate(relyingParty: RelyingParty, { key, print, signal }: DemoOptions): Promise<void> {
  print(`A security key on ${key.name}, and a relying party on ${relyingParty.url}.`);
  if (!key.visibleToBrowsers) {
    const why = key.why === undefined ? '' : ` (${key.why})`;
    print(`No browser can see this key${why}, so the demo signs up and in by itself.`);
  }
  print('');
  const channel = await key.connect();
  try {
    await walkThrough({ channel, url: relyingParty.url, print, signal });
  } finally {
    await channel.close();
  }
  print('Done: a sign-up and a sign-in of either kind, each verified by the relying party.');
  print('For a key that your browsers see, use `passfob run` on Linux with /dev/uhid.');
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
    }
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function words(prompt: Prompt): string {
  switch (prompt.kind) {
    case 'register':
      return prompt.userName === undefined
        ? `register at ${prompt.rpId}`
        : `register ${prompt.userName} at ${prompt.rpId}`;
    case 'sign-in':
      return `sign in at ${prompt.rpId}${prompt.accounts.length === 0 ? '' : ` as ${prompt.accounts.join(' or ')}`}`;
    case 'already-registered':
      return `tell ${prompt.rpId} that it is registered already`;
    case 'u2f-register':
      return 'register (U2F)';
    case 'u2f-sign-in':
      return 'sign in (U2F)';
    case 'verify':
      return prompt.rpId === undefined ? 'act for you' : `act for you at ${prompt.rpId}`;
    case 'unlock':
      return 'unlock the vault';
    case 'reset':
      return 'delete everything';
    case 'select':
      return 'be chosen';
  }
}
