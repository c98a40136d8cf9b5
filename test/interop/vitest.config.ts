import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The servers share the machine: one file at a time.
    fileParallelism: false,
    globalSetup: ['test/global-setup.ts'],
  },
});
