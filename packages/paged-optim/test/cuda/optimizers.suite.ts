// Optimisers on a device against the same ones on the CPU.
import { type DeviceId, leaks, memoryStats, toDevice } from "@qlora/cuda-runtime";
import { afterEach, describe, expect, test } from "vitest";
import {
  Adam,
  AdamW,
  AdEMAMix,
  clipGradNorm,
  DeviceState,
  firstNonFinite,
  gradNorm,
  Lion,
  type Parameter,
  Sgd,
  simd,
} from "../../src/index.js";
import { half, maxAbs, parameter, sameBits, setGradients } from "../inputs.js";

const classes = { AdamW, Adam, Lion, AdEMAMix, Sgd };
const names = Object.keys(classes) as (keyof typeof classes)[];
/** The CPU's kernels round twice where their instruction set has no fused multiply-add: then up to this much after three steps. */
const unfused = 1e-5;
const fused = simd() !== "scalar" && simd() !== "reference";
/** The order of the sum differs, in f64. */
const sumTolerance = 1e-12;

type Host = Parameter & { data: Float32Array | Uint16Array; grad: Float32Array };

/** A copy of parameters on the device; `sync` copies the gradients again. */
function copies(host: readonly Host[], device: DeviceId) {
  const parameters = host.map(({ name, data, grad }) => ({
    name,
    data: toDevice(data as Float32Array<ArrayBuffer>, { device }),
    grad: toDevice(grad as Float32Array<ArrayBuffer>, { device }),
  }));
  return {
    parameters,
    sync() {
      for (const [i, { grad }] of parameters.entries()) grad.set(host[i]!.grad as Float32Array<ArrayBuffer>);
    },
    [Symbol.dispose]() {
      for (const { data, grad } of parameters) {
        data.free();
        grad.free();
      }
    },
  };
}

function same(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  if (fused) expect(sameBits(actual, expected)).toBe(true);
  else expect(maxAbs(actual, expected)).toBeLessThan(unfused);
}

export default function suite(device: DeviceId): void {
  afterEach(() => expect(leaks()).toEqual([]));
  const sizes = [1, 255, 700, 4096 + 77];

  describe.each(names)("%s", (name) => {
    const formats = [
      { bits: 32, bf16: undefined },
      { bits: 8, bf16: undefined },
      { bits: 32, bf16: "master" },
      { bits: 8, bf16: "stochastic" },
    ] as const;
    test.each(formats)("$bits bits, bf16 $bf16: the CPU's weights and states", ({ bits, bf16 }) => {
      const make: (name: string, n: number) => Host = bf16 ? half : parameter;
      const host = sizes.map((n) => make(`p${n}`, n));
      using onDevice = copies(host, device);
      const options = { lr: 0.01, weightDecay: 0.1, bits, ...(bf16 ? { bf16 } : {}), seed: 7 };
      using expected = new classes[name](host, options);
      using optimizer = new classes[name](onDevice.parameters, options);
      for (let step = 1; step <= 3; ++step) {
        setGradients(host, step);
        onDevice.sync();
        const norm = expected.step({ gradScale: 2, maxNorm: 0.5, gradNorm: 3 });
        expect(optimizer.step({ gradScale: 2, maxNorm: 0.5, gradNorm: 3 })).toEqual(norm);
      }
      for (const [i, { data }] of onDevice.parameters.entries())
        same(data.toHost() as Float32Array, host[i]!.data as Float32Array);
      const [state, reference] = [optimizer.stateDict(), expected.stateDict()];
      expect([...state.tensors.keys()]).toEqual([...reference.tensors.keys()]);
      for (const [key, value] of state.tensors) same(value, reference.tensors.get(key)!);
    });
  });

  test("the norm, clipping, and gradients that are not finite", () => {
    const host = [3, 1000, 70_001].map((n) => parameter(`p${n}`, n));
    setGradients(host, 1);
    using onDevice = copies(host, device);
    const norm = gradNorm(host);
    expect(Math.abs(gradNorm(onDevice.parameters) / norm - 1)).toBeLessThan(sumTolerance);
    expect(gradNorm(onDevice.parameters)).toBe(gradNorm(onDevice.parameters));
    clipGradNorm(onDevice.parameters, norm / 2);
    expect(Math.abs((gradNorm(onDevice.parameters) / norm) * 2 - 1)).toBeLessThan(1e-6);

    using optimizer = new AdamW(onDevice.parameters, { lr: 0.1 });
    host[1]!.grad[999] = Number.NaN;
    onDevice.sync();
    expect(firstNonFinite(onDevice.parameters)).toBe("p1000");
    expect(optimizer.step()).toEqual({ applied: false, gradNorm: Number.NaN, clip: 1, nonFinite: "p1000" });
    expect(optimizer.steps).toBe(0);
    expect(sameBits(onDevice.parameters[1]!.data.toHost(), host[1]!.data)).toBe(true);
  });

  test("a run moves between CPU and device by its state", () => {
    const host = sizes.map((n) => parameter(`p${n}`, n));
    using onDevice = copies(host, device);
    using first = new AdamW(onDevice.parameters, { lr: 0.01, bits: 8 });
    using whole = new AdamW(host, { lr: 0.01, bits: 8 });
    for (let step = 1; step <= 2; ++step) {
      setGradients(host, step);
      onDevice.sync();
      const known = { gradNorm: 1 };
      first.step(known);
      whole.step(known);
    }
    const moved = host.map((p, i) => ({ ...p, data: onDevice.parameters[i]!.data.toHost() as Float32Array }));
    using second = new AdamW(moved, { lr: 0.01, bits: 8 });
    second.loadStateDict(first.stateDict());
    using third = new AdamW(onDevice.parameters, { lr: 0.01, bits: 8 });
    third.loadStateDict(second.stateDict());
    setGradients(host, 3);
    onDevice.sync();
    for (const optimizer of [whole, second, third]) optimizer.step({ gradNorm: 1 });
    for (const [i, { data }] of host.entries()) {
      same(moved[i]!.data, data);
      same(onDevice.parameters[i]!.data.toHost() as Float32Array, data);
    }
  });

  test.each(["pinned", "managed"] as const)("state within a budget, the rest %s: the same bits", (beyond) => {
    const host = sizes.map((n) => parameter(`p${n}`, n));
    const results = [Number.POSITIVE_INFINITY, 8000, 0].map((budget) => {
      using onDevice = copies(host, device);
      const before = memoryStats(device);
      const store = new DeviceState({ device, budget, beyond });
      using optimizer = new AdamW(onDevice.parameters, { lr: 0.01, store });
      expect(store.bytes.device).toBeLessThanOrEqual(budget);
      expect(store.bytes.device + store.bytes.pinned + store.bytes.managed).toBe(optimizer.stateBytes);
      expect(memoryStats(device)[beyond] - before[beyond]).toBe(store.bytes[beyond]);
      for (let step = 1; step <= 2; ++step) {
        setGradients(host, step);
        onDevice.sync();
        optimizer.step();
      }
      return { data: onDevice.parameters.map(({ data }) => data.toHost()), state: optimizer.stateDict() };
    });
    expect(sameBits(results[1], results[0])).toBe(true);
    expect(sameBits(results[2], results[0])).toBe(true);
  });

  test("arrays that do not begin on a boundary of four", () => {
    const host = [parameter("p", 1000)];
    setGradients(host, 1);
    using data = toDevice(new Float32Array(1001), { device });
    using grad = toDevice(new Float32Array(1003), { device });
    const shifted = { name: "p", data: data.subarray(1), grad: grad.subarray(3) };
    shifted.data.set(host[0]!.data as Float32Array<ArrayBuffer>);
    shifted.grad.set(host[0]!.grad as Float32Array<ArrayBuffer>);
    using optimizer = new AdamW([shifted], { lr: 0.01 });
    using expected = new AdamW(host, { lr: 0.01 });
    optimizer.step({ gradNorm: 1 });
    expected.step({ gradNorm: 1 });
    same(shifted.data.toHost() as Float32Array, host[0]!.data);
    expect((data.toHost() as Float32Array)[0]).toBe(0);
  });
}
