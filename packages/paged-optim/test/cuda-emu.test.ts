// Optimisers on the emulated device: the device's suite in every order of threads, and what is wrong to ask for.
import { CudaOutOfMemoryError, emulations, type KernelAddon, leaks, loadAddon, toDevice } from "@qlora/cuda-runtime";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { AdamW, DeviceState, MemoryState } from "../src/index.js";
import suite from "./cuda/optimizers.suite.js";
import { parameter } from "./inputs.js";

const device = "cuda-emu";
const addon = loadAddon<KernelAddon>("paged-optim.emu", import.meta.url);

describe.each(emulations)("$schedule, $copies copies", ({ schedule, copies }) => {
  beforeAll(() => addon.setEmulation!(schedule, copies, 1));
  suite(device);
});

describe("bad input", () => {
  afterEach(() => expect(leaks()).toEqual([]));

  test("parameters in two places, or a store of another place", () => {
    const host = parameter("host", 8);
    using data = toDevice(new Float32Array(8), { device });
    using grad = toDevice(new Float32Array(8), { device });
    using whole = toDevice(new Int32Array(8), { device });
    expect(() => new AdamW([host, { name: "p", data, grad }])).toThrow("on one device, or all on the host");
    expect(() => new AdamW([{ name: "p", data, grad: host.grad }])).toThrow("p.grad must be f32 on device cuda-emu");
    expect(() => new AdamW([{ name: "p", data: whole, grad }])).toThrow(
      "p.data must be f32 or bf16 on a device, got i32",
    );
    expect(() => new AdamW([{ name: "p", data, grad }], { store: new MemoryState() })).toThrow(
      "the parameters are on device cuda-emu, the store serves the host",
    );
    expect(() => new AdamW([host], { store: new DeviceState({ device }) })).toThrow("the store serves device cuda-emu");
    expect(() => new AdamW([{ name: "p", data, grad }], { paging: { budget: 1e6, path: "x" } })).toThrow("DeviceState");
    expect(() => new DeviceState({ device, budget: -1 })).toThrow(RangeError);
    expect(() => new DeviceState({ device, beyond: "disk" as never })).toThrow(TypeError);
  });

  test("never more managed memory than is free, and nothing is left behind", () => {
    using data = toDevice(new Float32Array(1000), { device });
    using grad = toDevice(new Float32Array(1000), { device });
    const before = process.env.QLORA_EMU_MEMORY;
    process.env.QLORA_EMU_MEMORY = "12000"; // of which 8000 are in use
    try {
      for (const options of [{ budget: 0, beyond: "managed" }, {}] as const)
        expect(
          () => new AdamW([{ name: "p", data, grad }], { store: new DeviceState({ device, ...options }) }),
        ).toThrow(CudaOutOfMemoryError);
      using optimizer = new AdamW([{ name: "p", data, grad }], { store: new DeviceState({ device, budget: 0 }) });
      expect((optimizer.store as DeviceState).bytes).toEqual({ device: 0, pinned: 8064, managed: 0 });
    } finally {
      if (before === undefined) delete process.env.QLORA_EMU_MEMORY;
      else process.env.QLORA_EMU_MEMORY = before;
    }
  });
});
