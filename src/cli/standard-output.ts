// Whether what is printed arrives. A reader that went away, such as `| head -1`, has what it wanted; a disk that is full
// has lost something.

import { UserError } from '../errors.ts';

let failure: NodeJS.ErrnoException | undefined;

/** From now on no error of the two streams ends the program, least of all a daemon. */
export function watchOutput(): void {
  process.stdout.on('error', (error) => {
    failure ??= error;
  });
  process.stderr.on('error', () => undefined);
}

/** Whether it is one of standard output, which `requirePrinted` tells of. */
export function isOutputFailure(error: Error): boolean {
  return error === failure;
}

/** Waits until everything is written. @throws UserError if something is lost that somebody might have wanted */
export async function requirePrinted(): Promise<void> {
  await flush();
  if (failure && failure.code !== 'EPIPE') throw lost(failure);
}

/** The same for what cannot be printed again: no reader may have gone away. @throws UserError with this hint */
export async function requirePrintedOnce(hint: string): Promise<void> {
  await flush();
  if (failure) throw lost(failure, hint);
}

function flush(): Promise<void> {
  return new Promise((resolve) => process.stdout.write('', () => resolve()));
}

function lost({ message }: Error, hint?: string): UserError {
  return new UserError(`cannot write to standard output: ${message}`, hint);
}
