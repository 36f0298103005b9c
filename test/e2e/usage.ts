// What a daemon takes of the machine: to find leaks.

import { readdirSync } from 'node:fs';
import type { Daemon } from './daemon.ts';

const heapTeller = `
  import v8 from 'node:v8';
  import vm from 'node:vm';
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc');
  process.on('SIGUSR2', () => {
    collect();
    console.log('heap ' + process.memoryUsage().heapUsed);
  });
`;

/** Environment of a daemon that is to be asked for its `heapSize`. */
export const tellingHeap = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(heapTeller)}` };

/** Bytes in use after collecting garbage. */
export async function heapSize(daemon: Daemon): Promise<number> {
  process.kill(daemon.pid, 'SIGUSR2');
  return Number((await daemon.printed(/^heap \d+$/)).slice('heap '.length));
}

export const openFiles = ({ pid }: Daemon): number => readdirSync(`/proc/${pid}/fd`).length;
