// For tests of native addons: arguments that are wrong in every way that JavaScript has. A crash ends the process of the test.
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { expect } from "vitest";

type Call = (...args: unknown[]) => unknown;
type Functions = Record<string, Call>;
/** Arguments that a function takes, by its name. */
export type Calls = Map<string, readonly unknown[]>;

/** The functions of an addon whose arguments are arrays and numbers; the others choose threads, instruction sets and devices. */
export function kernelsOf(addon: object): string[] {
  const others = ["threads", "setThreads", "startThreads", "simd", "setSimd", "simds", "cuda", "cudaBackend"];
  return Object.keys(addon).filter((name) => !others.includes(name));
}

/** Runs `use` and returns, for each function of the addon that it called, copies of the arguments of the first call. */
export function recordCalls(addon: object, use: () => void): Calls {
  const functions = addon as Functions;
  const calls = new Map<string, unknown[]>();
  const real = kernelsOf(addon).map((name) => [name, functions[name]!] as const);
  for (const [name, call] of real)
    functions[name] = (...args) => {
      if (!calls.has(name)) calls.set(name, structuredClone(args));
      return call(...args);
    };
  try {
    use();
  } finally {
    for (const [name, call] of real) functions[name] = call;
  }
  return calls;
}

type Typed = Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Int32Array | Uint32Array;
const isTyped = (value: unknown): value is Typed => ArrayBuffer.isView(value) && !(value instanceof DataView);
const make = (like: Typed, buffer: ArrayBufferLike, offset = 0, length?: number): Typed =>
  new (like.constructor as new (...args: unknown[]) => Typed)(buffer, offset, length);

/** Values that are neither arrays, numbers, booleans, nor absent. */
const nonsense = [
  Symbol("x"),
  {},
  [],
  [1, 2],
  () => 1,
  new Map(),
  new ArrayBuffer(8),
  new DataView(new ArrayBuffer(8)),
];
const numbers = [-1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 60, Number.MAX_VALUE];

/** Arrays that are of the right type, and yet not what they seem. `x` is not changed. */
function arrays(x: Typed): Record<string, unknown> {
  const size = x.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  const into = (buffer: ArrayBufferLike, offset = 0): Typed => {
    new Uint8Array(buffer, offset).set(bytes);
    return make(x, buffer, offset, x.length);
  };
  type Resizable = ArrayBuffer & { resize(bytes: number): void };
  const resizable = () =>
    new (ArrayBuffer as unknown as new (bytes: number, options: object) => Resizable)(x.byteLength, {
      maxByteLength: 2 * x.byteLength + 64,
    });
  const detached = into(new ArrayBuffer(x.byteLength));
  structuredClone(detached.buffer, { transfer: [detached.buffer as ArrayBuffer] });
  const [fixed, tracking, gone] = [resizable(), resizable(), resizable()];
  const views = { shrunk: into(fixed), "shrunk, tracking": make(x, tracking), "shrunk to nothing": make(x, gone) };
  fixed.resize(x.byteLength >> 1);
  tracking.resize(x.byteLength >> 1);
  gone.resize(0);
  return {
    detached,
    ...views,
    short: x.subarray(1).slice(),
    empty: x.slice(0, 0),
    shared: into(new SharedArrayBuffer(x.byteLength)),
    "at an odd place": into(new ArrayBuffer(x.byteLength + 3 * size), 3 * size),
    "at the end of its buffer": into(new ArrayBuffer(x.byteLength + 64 * size), 64 * size),
  };
}

/** Arrays of every type, as long as `x`. */
function otherTypes(x: Typed): Typed[] {
  const types = [Float32Array, Float64Array, Uint8Array, Int8Array, Uint16Array, Int32Array, Uint32Array];
  return types.filter((type) => !(x instanceof type)).map((type) => new type(x.length));
}

/**
 * Calls each function with its good arguments, one of them replaced by something wrong at a time: what is of a wrong type must be
 * refused by a TypeError, and whatever else is thrown is a TypeError or a RangeError. Returns how many calls there were.
 */
export function abuse(addon: object, calls: Calls): number {
  let count = 0;
  const call = (name: string, args: unknown[], at: number, what: string, must: boolean) => {
    count++;
    let thrown: unknown;
    try {
      (addon as Functions)[name]!(...args);
    } catch (error) {
      thrown = error;
    }
    const place = `${name}, argument ${at}: ${what}`;
    if (must) expect(thrown, place).toBeInstanceOf(TypeError);
    else if (thrown !== undefined)
      expect(thrown instanceof TypeError || thrown instanceof RangeError, place).toBe(true);
  };
  for (const [name, good] of calls) {
    const replaced = (at: number, value: unknown) => structuredClone(good).with(at, value);
    for (let length = 0; length < good.length; length++)
      call(name, structuredClone(good).slice(0, length), length, "left out", false);
    for (const [at, value] of good.entries()) {
      for (const wrong of nonsense) call(name, replaced(at, wrong), at, String(wrong), value !== null);
      for (const wrong of [undefined, null, "1", true, 1n]) call(name, replaced(at, wrong), at, String(wrong), false);
      if (typeof value === "number")
        for (const number of numbers) call(name, replaced(at, number), at, String(number), false);
      if (!isTyped(value) || value.length === 0) continue;
      for (const other of otherTypes(value)) call(name, replaced(at, other), at, other.constructor.name, false);
      for (const [what, array] of Object.entries(arrays(value))) call(name, replaced(at, array), at, what, false);
      const same = good.map((x) => (isTyped(x) && x.constructor === value.constructor ? value.slice() : x));
      call(name, same, at, "the same array everywhere", false);
    }
  }
  return count;
}

/** Ends 20 workers in the middle of their calls, five at a time, after different times. */
export async function endWorkers(path: string, calls: Calls): Promise<void> {
  const source = `
    const { parentPort, workerData: { path, calls } } = require("node:worker_threads");
    const addon = require(path);
    addon.setThreads(2);
    parentPort.postMessage("begun");
    for (;;) for (const [name, args] of calls) addon[name](...args);`;
  const end = async (ms: number) => {
    const worker = new Worker(source, { eval: true, workerData: { path, calls } });
    await new Promise((begun, failed) => worker.once("message", begun).once("error", failed));
    await sleep(ms);
    await worker.terminate();
  };
  for (let i = 0; i < 20; i += 5) await Promise.all([0, 1, 2, 3, 4].map((j) => end(i + j)));
}
