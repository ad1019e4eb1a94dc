// The most memory that this process has held.
import { readFileSync } from "node:fs";

/**
 * Resident bytes at their peak. On Linux from /proc: what getrusage calls maxRSS there begins with what the parent held when it started
 * this process.
 */
export function peakMemory(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    if (kib !== undefined) return Number(kib) * 1024;
  } catch {} // no Linux
  return process.resourceUsage().maxRSS * 1024;
}
