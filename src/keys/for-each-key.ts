// Several keys in one process: all of them run or none does, and what goes wrong says with which of them.

/** A key that may have a name. */
export interface Named {
  readonly keyName: string | undefined;
}

/**
 * Makes something for one key after the other. If that fails for one, what was made for those before it is undone, and
 * the error begins with its name.
 */
export async function forEachKey<Key extends Named, Made>(
  keys: readonly Key[],
  make: (key: Key) => Promise<Made>,
  undo: (made: Made) => Promise<void> = async () => undefined,
): Promise<Made[]> {
  const made: Made[] = [];
  for (const key of keys) {
    try {
      made.push(await make(key));
    } catch (error) {
      await Promise.all(made.map(undo));
      if (error instanceof Error) nameKey(error, key);
      throw error;
    }
  }
  return made;
}

/** Says in an error's message which key it is about; its class, hint and exit code stay what they are. */
export function nameKey<E extends Error>(error: E, { keyName }: Named): E {
  if (keyName !== undefined) error.message = `key "${keyName}": ${error.message}`;
  return error;
}
