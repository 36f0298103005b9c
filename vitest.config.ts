// Four projects: `unit` and `protocol` need nothing but Node; `proof` lasts minutes, and some of it needs programs of
// Debian; `e2e` needs the emulated kernel and real clients (see test/e2e/).
import { defineConfig } from 'vitest/config';

/** Tests of test/hid that put something else in a module's place, and so want a process of their own. */
const mocking = '(open-device|vhci)';
const seconds = { testTimeout: 60_000, hookTimeout: 60_000 };

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
          exclude: ['test/e2e/**', 'test/ctap/**', `test/hid/**/!${mocking}.test.ts`],
          globalSetup: ['test/support/build.ts'],
          // The longest ones wait for processes of ours: as many at once as there are processors.
          maxWorkers: '100%',
          ...seconds,
        },
      },
      {
        // What ctap/ and hid/ do, they do to the objects that a test makes: one process can test file after file, and
        // imports everything once.
        test: {
          name: 'protocol',
          include: ['test/{ctap,hid}/**/*.test.ts'],
          exclude: [`test/hid/**/+${mocking}.test.ts`],
          isolate: false,
          maxWorkers: '100%',
          // Behind those of `unit`: a file of another project in between would end the process.
          sequence: { groupOrder: 1 },
          ...seconds,
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
