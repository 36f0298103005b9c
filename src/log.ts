// The daemon's log: one line an event on standard error. No secret is ever handed to it: no key, PIN, passphrase
// or user handle; RP IDs appear only from level `info` down.

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface Log {
  error(message: string): void;
  warn(message: string): void;
  info(message: string): void;
  debug(message: string): void;
}

/**
 * A log that passes on what is at least as grave as `level`, one line at a time, without a line break.
 * @param keyName which of several keys all of it is about
 */
export function createLog(level: LogLevel, write: (line: string) => void, keyName?: string): Log {
  const limit = logLevels.indexOf(level);
  const about = keyName === undefined ? '' : `${keyName}: `;
  const at = (name: LogLevel) => (message: string) => {
    if (logLevels.indexOf(name) <= limit) write(`${name}: ${about}${oneLine(message)}`);
  };
  return { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
}

/** Text from a website or a host must not draw on the terminal or forge log lines: control characters become dots. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '·');
}
