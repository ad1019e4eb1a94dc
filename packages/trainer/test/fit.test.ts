// What is available, and runs that do not fit it.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { availableMemory, type MemoryEvent, type TrainOptions } from "../src/index.js";
import { folder, makeData, makeModel, tinyRun, trainProcess } from "./shared.js";

describe("availableMemory", () => {
  function system(files: Record<string, string>): string {
    const root = folder();
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  }
  const v2 = {
    "proc/self/cgroup": "0::/a/b\n",
    "sys/fs/cgroup/a/memory.max": "900000\n",
    "sys/fs/cgroup/a/memory.current": "600000\n",
    "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 50000\n",
    "sys/fs/cgroup/a/b/memory.max": "max\n",
    "sys/fs/cgroup/a/b/memory.current": "400000\n",
  };

  test("without limits it is what the system has free", () =>
    expect(availableMemory("/nowhere")).toBeGreaterThan(2 ** 20));
  test("version 2: the tightest group up to the root, cache counted as free", () =>
    expect(availableMemory(system(v2))).toBe(350000));
  test("version 2 in a container that sees only its own group", () =>
    expect(
      availableMemory(
        system({
          "proc/self/cgroup": "0::/docker/123\n",
          "sys/fs/cgroup/memory.max": "5000",
          "sys/fs/cgroup/memory.current": "2000",
        }),
      ),
    ).toBe(3000));
  test("version 1", () =>
    expect(
      availableMemory(
        system({
          "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/x\n",
          "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "10000",
          "sys/fs/cgroup/memory/x/memory.usage_in_bytes": "4000",
          "sys/fs/cgroup/memory/x/memory.stat": "inactive_file 7\ntotal_inactive_file 1000\n",
        }),
      ),
    ).toBe(7000));
  test("a limit on the address space", () =>
    expect(
      availableMemory(
        system({
          "proc/self/limits": "Max address space         5000000              5000000              bytes\n",
          "proc/self/status": "VmSize:\t    1000 kB\n",
        }),
      ),
    ).toBe(5000000 - 1024000));
  test("nothing left is 0, never less", () =>
    expect(availableMemory(system({ ...v2, "sys/fs/cgroup/a/memory.current": "2000000" }))).toBe(0));
});

describe("a run that does not fit memory", () => {
  /** What a process of its own says, so that no test before this one counts as its memory. */
  function refusal(options: Partial<TrainOptions>, over: number, vocab = 8000): string {
    const dir = folder();
    makeModel(join(dir, "model"), { hidden: 256, intermediate: 704, layers: 4, heads: 4, kvHeads: 4, vocab });
    makeData(join(dir, "data.jsonl"), 300);
    const all = tinyRun(dir, { loraR: 64, ...options });
    const { events } = trainProcess(all, { crashAfter: "memory " });
    const needed = (events.at(-1) as MemoryEvent).estimate.total;
    const maxMemory = Math.ceil(needed / 2 ** 20) - over;
    const refused = trainProcess({ ...all, output: join(dir, "refused"), maxMemory }).events;
    expect(refused.map(({ type }) => type)).toEqual(["data", "memory", "error"]); // nothing was loaded, nothing written
    const error = refused.at(-1);
    expect(error).toMatchObject({ name: "TrainError", code: "NO_MEMORY" });
    return (error as { message: string }).message;
  }

  test("is refused with the knobs that would make it fit, those that keep the result first", () => {
    const message = refusal({ batchSize: 128, gradientAccumulation: 2, gradientCheckpointing: false }, 40);
    expect(message).toMatch(
      /^the run needs \d+ MiB of memory at its peak, \d+ MiB are available\. Any of these makes it fit, the nearest first: gradient_checkpointing true with activation_memory 0; batch_size \d+ with gradient_accumulation \d+/,
    );
  });
  test("names the largest batch that fits", () => {
    const message = refusal({ batchSize: 32, gradientAccumulation: 1 }, 12);
    expect(message).toMatch(/batch_size 16 with gradient_accumulation 2/);
  });
  test("names several together where no single one does", () => {
    const message = refusal(
      { batchSize: 128, gradientAccumulation: 1, gradientCheckpointing: false, method: "full" },
      140,
    );
    expect(message).toMatch(
      /Together these make it fit: gradient_checkpointing true with activation_memory 0 with batch_size/,
    );
  });
  test("weights stay in their file where that is enough", () => {
    const message = refusal({ method: "lora", loraR: 4, batchSize: 64 }, 12, 32000);
    expect(message).toMatch(/Any of these makes it fit, the nearest first: map_weights true;/);
  });
  test("says so where none helps", () => {
    expect(refusal({}, 60)).toMatch(/No setting makes this model fit/);
  });
});
