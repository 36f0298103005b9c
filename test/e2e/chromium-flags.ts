// What Chromium needs to be told to run here.

export const chromiumFlags = [
  '--no-sandbox', // The tests run as root.
  '--disable-gpu',
  '--disable-gpu-watchdog', // An emulated processor is slow, not hung.
  '--disable-gpu-process-crash-limit', // Nor is its software renderer reliable, which no test here needs.
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
