// Time as it is measured: the wall's, or on a busy machine that of the processor alone. The latter leaves out waiting for a core, so that
// shares of the ceilings stay true; it is the sum over threads, so it is meant for one, and says nothing of peers in other processes.
let processor = false;

export function useProcessorTime(): void {
  processor = true;
}

/** Processes other than this one can be compared. */
export const comparable = (): boolean => !processor;

/** Seconds since some moment. */
export function now(): number {
  if (!processor) return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
