// A benchmark case: one thing at one shape, checked before it is timed, with its ceiling and its peers.
import type { Contender } from "./measure.js";

export type Unit = "GFLOP/s" | "GOP/s" | "GB/s" | "G elements/s" | "tokens/s";
/** What limits a case: multiply-adds of floats or of bytes, or memory read, written, or copied (bytes in and out counted). */
export type CeilingName = "fma" | "int8" | "read" | "write" | "copy";

/** One run in parts, for `--profile`. */
export interface Profiled {
  /** Yields the name of each phase before it begins; running to the end is one run. */
  phases(): Iterable<string>;
  /** What arrays among the arguments of native functions are for: "adapter A", "head". */
  roles: ReadonlyMap<unknown, string>;
}

export interface Case {
  name: string;
  shape: string;
  unit: Unit;
  /** What one run does, in units of 1e9 (tokens in units of 1). */
  work: number;
  /** The ceiling, and how much of its resource one run uses (G floating-point operations, or GB). */
  ceiling?: { name: CeilingName; work: number };
  /** Throws where the result is wrong. Called once, before timing. */
  check(): void;
  run(): void;
  /** Others doing the same work. */
  peers?: (Contender & { unavailable?: string })[];
  /** Left out of `--quick`. */
  slow?: boolean;
  profile?: Profiled;
}

/** A figure that is no speed: it measures itself, once. */
export interface Figure {
  name: string;
  shape: string;
  slow?: boolean;
  measure(): Measured | Promise<Measured>;
}

export interface Measured {
  value: number;
  unit: "MB" | "nats" | "×" | "%";
  peers?: { name: string; value: number | null; unavailable?: string }[];
  /** What it has to show, and whether it does. */
  verdict?: { claim: string; holds: boolean };
}

/** A group of cases is made only when one of its names is wanted: making it allocates. */
export interface CaseGroup {
  /** Names that the group can make, for `--filter`. */
  names: string[];
  /** Some of its cases have a profile. */
  profiled?: boolean;
  make(context: Context): Iterable<Case | Figure>;
}

export interface Context {
  quick: boolean;
  threads: number;
  /** `--shape`: what does not match need not be made. */
  shape: RegExp;
}

/** Relative Frobenius error of `found`. @throws where it exceeds `tolerance` */
export function expectClose(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  let [error, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    error += (found[i]! - expected[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  const relative = Math.sqrt(error / norm);
  if (!(relative <= tolerance)) throw new Error(`${what}: relative error ${relative} exceeds ${tolerance}; not timed`);
}

/** Numbers like those of weights and activations: near normal, the same every time. */
export function normals(length: number, scale = 1, seed = 1, out = new Float32Array(length)): Float32Array {
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    let sum = 0;
    for (let j = 0; j < 4; j++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      sum += state;
    }
    out[i] = (sum / 2 ** 32 - 2) * Math.sqrt(3) * scale;
  }
  return out;
}
