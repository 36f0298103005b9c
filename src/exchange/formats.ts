// The formats of other managers, by name, and which of them a file is in.

import { isBackup, refuseDump } from '../backup/backup-file.ts';
import { exitCode, UserError } from '../errors.ts';
import { bitwarden } from './bitwarden.ts';
import { cxf } from './cxf.ts';
import type { ExchangeFormat, Found } from './format.ts';
import { JsonReader, parseJson } from './json-reader.ts';
import { keepassxc } from './keepassxc.ts';

export const formats = { cxf, keepassxc, bitwarden } as const satisfies Record<string, ExchangeFormat>;

export type FormatName = keyof typeof formats;

/** @throws UserError if there is no such format */
export function formatNamed(name: string): ExchangeFormat {
  if (Object.hasOwn(formats, name)) return formats[name as FormatName];
  throw new UserError(`unknown format "${name}"`, `one of: ${Object.keys(formats).join(', ')}`, exitCode.usage);
}

/** Reads a file in the given format, or in the one that it looks like. @throws UserError with the path of what is wrong */
export function readExchange(text: string, format?: ExchangeFormat): Found {
  const document = parseJson(text);
  if (isBackup(document)) throw new UserError('this is a backup', '`passfob restore` takes it');
  refuseDump(document);
  return (format ?? detect(document)).read(new JsonReader(document));
}

function detect(document: unknown): ExchangeFormat {
  const isObject = typeof document === 'object' && document !== null && !Array.isArray(document);
  const found = isObject
    ? Object.values(formats).find((format) => format.fits(document as Readonly<Record<string, unknown>>))
    : undefined;
  if (found) return found;
  const known = Object.values(formats).map(({ title }) => title);
  throw new UserError(`expected one of: ${known.join(', ')}; got something else`, 'nothing was changed');
}
