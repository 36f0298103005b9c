// The sample files of other managers in samples/, to read as they are or changed, and where their passkeys are: CXF 1.0
// (FIDO Alliance), KeePassXC's passkey export, Bitwarden's unencrypted JSON export.

import { readFileSync } from 'node:fs';
import { readExchange } from '../../../src/exchange/formats.ts';

/** A document of another program, changed freely. */
export type Document = ReturnType<typeof JSON.parse>;

export const sampleText = (name: string) => readFileSync(new URL(`samples/${name}`, import.meta.url), 'utf8');
export const sample = (name: string): Document => JSON.parse(sampleText(name));
export const read = (document: Document) => readExchange(JSON.stringify(document));

export const cxfPasskeys = (document: Document): Document[] =>
  document.accounts
    .flatMap((account: Document) => account.items.flatMap((item: Document) => item.credentials))
    .filter(({ type }: Document) => type === 'passkey');
export const bitwardenPasskeys = (document: Document): Document[] =>
  document.items.flatMap((item: Document) => item.login?.fido2Credentials ?? []);
