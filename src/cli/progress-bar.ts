// How far a long work is, in one line on a terminal; nothing elsewhere.

const width = 30;

export interface ProgressBar {
  show(done: number, total: number): void;
  /** Removes the line. */
  clear(): void;
}

export function progressBar(output: NodeJS.WritableStream & { readonly isTTY?: boolean }): ProgressBar {
  let shown = '';
  const write = (line: string) => {
    if (!output.isTTY || line === shown) return;
    output.write(`\r${line === '' ? '\x1b[K' : line}`);
    shown = line;
  };
  return {
    show(done, total) {
      const share = total === 0 ? 1 : done / total;
      const filled = Math.floor(share * width);
      write(`[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${Math.floor(share * 100)} %`);
    },
    clear: () => write(''),
  };
}
