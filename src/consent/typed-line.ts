// A line that is typed unseen, key by key, on a terminal in raw mode: what a passphrase needs, no more.

import { StringDecoder } from 'node:string_decoder';

export class TypedLine {
  readonly #decoder = new StringDecoder('utf8');
  #text = '';

  /** Takes what the terminal hands over. Gives back the line once Enter is pressed, null for Escape or Ctrl-D. */
  type(data: Buffer): string | null | undefined {
    const typed = this.#decoder.write(data);
    if (typed === '\u001b') return null;
    // An arrow or function key.
    if (typed.startsWith('\u001b')) return undefined;
    for (const key of typed) {
      if (key === '\r' || key === '\n') return this.#text;
      if (key === '\u0004') return null;
      if (key === '\u0015') this.#text = '';
      else if (key === '\u007f' || key === '\b') this.#text = [...this.#text].slice(0, -1).join('');
      else if (key >= ' ') this.#text += key;
    }
    return undefined;
  }
}
