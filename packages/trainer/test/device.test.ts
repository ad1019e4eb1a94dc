// Training on a device: the losses of the CPU, an exact resume, a run that moves between both, and nothing left on the device.
import { join } from "node:path";
import { leaks } from "@qlora/cuda-runtime";
import { afterEach, expect, test } from "vitest";
import type { DeviceEstimate, StepEvent } from "../src/index.js";
import { folder, result, tinyRun, train } from "./shared.js";

/** Relative difference of a loss: activations on a device are bf16, 2⁻⁸ between neighbours, and six steps follow one another. */
const LOSS = 2e-2;

const device = "cuda-emu";
afterEach(() => expect(leaks()).toEqual([]));

const losses = (events: Awaited<ReturnType<typeof train>>) =>
  events.filter((event): event is StepEvent => event.type === "step").map(({ loss }) => loss);

const estimateOf = (events: Awaited<ReturnType<typeof train>>) =>
  events.find((event) => event.type === "memory")!.estimate as DeviceEstimate;

test.each([
  { optimizer: "paged-adamw-32bit" },
  { optimizer: "adamw-8bit", method: "lora" },
  { optimizer: "lion-32bit", loraDropout: 0 },
] as const)("six steps: $method $optimizer", async (mode) => {
  const dir = folder();
  const cpu = losses(await train(tinyRun(dir, { ...mode, learningRate: 1e-3 })));
  const there = losses(await train(tinyRun(dir, { ...mode, learningRate: 1e-3, device, output: join(dir, "there") })));
  expect(there.length).toBe(6);
  for (const [i, loss] of there.entries()) expect(Math.abs(loss / cpu[i]! - 1), `step ${i + 1}`).toBeLessThan(LOSS);
});

test("a resumed run is bit for bit the one that was not interrupted; a checkpoint of the CPU goes on here", async () => {
  const dir = folder();
  const whole = tinyRun(dir, { device, evalSteps: 2 }); // so that the first part evaluates where the whole does
  await train(whole);
  const expected = result(whole.output, 6);
  const output = join(dir, "parts");
  await train({ ...whole, output, maxSteps: 2 });
  await train({ ...whole, output, resume: "auto" });
  expect(result(output, 6)).toEqual(expected);

  const moved = join(dir, "moved");
  await train({ ...whole, output: moved, maxSteps: 2, device: "cpu" });
  const events = await train({ ...whole, output: moved, resume: "auto" });
  expect(events.some((event) => event.type === "warning" && /now cuda-emu/.test(event.message))).toBe(true);
  expect(losses(events).length).toBe(4);
});

test("state beyond gpu_memory lies on the host, and changes no bit", async () => {
  const dir = folder();
  const options = tinyRun(dir, { device });
  const whole = estimateOf(await train(options));
  expect(whole.stateOnHost).toBe(0);
  const output = join(dir, "paged");
  // A third of the state fits, whatever the rest takes.
  const bytes = whole.total - (whole.stateOnDevice * 2) / 3;
  const paged = estimateOf(await train({ ...options, output, gpuMemory: `${bytes / 1e6}MB` }));
  expect(paged.stateOnDevice).toBeGreaterThan(0);
  expect(paged.stateOnHost).toBeGreaterThan(whole.stateOnDevice / 2);
  expect(result(output, 6).adapter).toEqual(result(options.output, 6).adapter);
});

test("a run that does not fit gpu_memory is refused before anything is loaded", async () => {
  const options = tinyRun(folder(), { device, gpuMemory: "100MiB" });
  await expect(train(options)).rejects.toMatchObject({ code: "NO_MEMORY", message: /needs 513 MiB .* 100 MiB/ });
});
