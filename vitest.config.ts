// Three projects: `unit` needs nothing but Node; `proof` lasts minutes, and some of it needs programs of Debian; `e2e`
// needs the emulated kernel and real clients (see test/e2e/).
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    coverage: {
      provider: 'v8',
      include: ['{ctap,hid,store,src}/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
    },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          globalSetup: ['test/support/build.ts'],
          // The longest ones wait for processes of ours: as many at once as there are processors.
          maxWorkers: '100%',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'proof',
          include: ['test/proof/**/*.proof.ts'],
          // Each keeps the whole machine busy.
          fileParallelism: false,
          globalSetup: ['test/support/build.ts', 'test/e2e/run-folder.ts'],
          testTimeout: 600_000,
        },
      },
      {
        // Real clients share one machine's devices: one file after the other. An emulated processor is slow.
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.e2e.ts'],
          globalSetup: ['test/e2e/run-folder.ts'],
          fileParallelism: false,
          // To import everything anew for each file takes half a minute there.
          isolate: false,
          testTimeout: 180_000,
          retry: 1,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
