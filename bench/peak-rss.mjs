import { readFileSync } from 'node:fs';

/**
 * Peak resident memory of this process, in MB. Linux counts it by address space: what getrusage says of a child includes its parent at the time
 * of the fork.
 */
export function peakRssMb() {
  try {
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
    if (match) return Number(match[1]) / 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS / 1024;
}
