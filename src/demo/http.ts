// The little HTTP that the relying party needs: bodies read with a limit, answers with the headers of a careful site.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { Refusal } from './refusal.ts';

/** Bytes of a request body. The largest honest one, an attestation with certificates, is about 10 KiB. */
export const maxBodyBytes = 64 * 1024;

/** The page loads its own files and talks to its own server, and nothing else. */
const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
} as const;

/**
 * The JSON object in a request's body.
 * @throws Refusal 415, 413 or 400 if it is something else.
 */
export async function readJsonObject(request: IncomingMessage): Promise<Record<string, unknown>> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'not-json', 'expected a body of type application/json');
  }
  const text = await readText(request);
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(400, 'malformed-json', 'expected a JSON object');
  }
  return value as Record<string, unknown>;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) {
      throw new Refusal(413, 'body-too-large', `expected a body of at most ${maxBodyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'malformed-json', 'expected JSON in the body');
  }
}

/** One member of a body that is a choice among words; `fallback` if it is left out. @throws Refusal 400 */
export function readChoice<const T extends string>(
  body: Record<string, unknown>,
  name: string,
  words: readonly T[],
  fallback: T,
): T {
  const value = body[name] ?? fallback;
  const word = words.find((each) => each === value);
  if (word === undefined) {
    throw new Refusal(400, 'bad-choice', `expected ${name} to be one of ${words.join(', ')}`);
  }
  return word;
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, 'application/json', JSON.stringify(body));
}

export function send(response: ServerResponse, status: number, contentType: string, body: string | Buffer): void {
  response.writeHead(status, { ...securityHeaders, 'content-type': contentType }).end(body);
}
