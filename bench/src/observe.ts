// Times every native function of the packages while something runs: the functions of the loaded addons are replaced by ones that call them.
import { type Addon, loadAddon } from "@qlora/cuda-runtime/load";
import { now } from "./clock.js";
import { operations, type Work } from "./operations.js";

export interface Call extends Work {
  operation: string;
  /** The first argument that `roles` knows says what the call is for. */
  role: string | undefined;
  seconds: number;
}

type Functions = Record<string, (...args: unknown[]) => unknown>;

// Loading again gives the object that the package itself holds.
const addons = Object.keys(operations).map((name) => ({
  work: operations[name]!,
  functions: loadAddon<Addon & Functions>(name, import.meta.resolve(`@qlora/${name}`)),
}));

/** Calls `seen` after every native call until the returned function is called. */
export function observe(roles: ReadonlyMap<unknown, string>, seen: (call: Call) => void): () => void {
  const restore: (() => void)[] = [];
  for (const { work, functions } of addons)
    for (const [operation, workOf] of Object.entries(work)) {
      const original = functions[operation]!;
      functions[operation] = (...args) => {
        const began = now();
        const result = original(...args);
        const seconds = now() - began;
        const known = args.find((argument) => roles.has(argument));
        const name =
          operation === "product4" ? (args[0] ? "matmulTransposed" : "matmul") : operation.replace("Int8", "");
        seen({ operation: name, role: roles.get(known), seconds, ...workOf(args) });
        return result;
      };
      restore.push(() => {
        functions[operation] = original;
      });
    }
  return () => {
    for (const undo of restore) undo();
  };
}
