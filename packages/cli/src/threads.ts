// How many threads compute, in every package that has kernels.
import { setThreads as setKernelThreads } from "@qlora/kernels";
import { setThreads as setNf4Threads } from "@qlora/nf4";
import { setThreads as setOptimThreads } from "@qlora/paged-optim";
import { z } from "zod";

export const threadsOption = z
  .number()
  .int()
  .positive()
  .max(1024)
  .optional()
  .describe("threads that compute; default QLORA_THREADS, else all");

export function setThreads(threads: number | undefined): void {
  if (threads !== undefined) for (const set of [setKernelThreads, setNf4Threads, setOptimThreads]) set(threads);
}
