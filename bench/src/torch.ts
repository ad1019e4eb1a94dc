// PyTorch + PEFT as a peer: a child process that does one step when it is told to, so that it runs in our rounds and not beside them.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { threads } from "@qlora/kernels";
import type { Contender } from "./measure.js";
import type { Shape } from "./random-model.js";

const script = join(import.meta.dirname, "../torch_peer.py");
let available: boolean | undefined;

/** A whole training step in PyTorch and PEFT. */
export function torchPeer(shape: Shape & { batch: number; seq: number; rank: number }) {
  return stepper("PyTorch + PEFT, f32 base", shape);
}

/** A step of PyTorch's fused AdamW over so many f32 parameters. */
export function torchOptimiser(elements: number) {
  return stepper("PyTorch fused AdamW", { elements });
}

/** A contender that steps in PyTorch as torch_peer.py does for `job`; `unavailable` says why there is none. */
function stepper(name: string, job: object): Contender & { unavailable?: string } {
  const python = process.env.QLORA_PYTHON;
  available ??= python !== undefined && spawnSync(python, ["-c", "import torch, peft"]).status === 0;
  if (!available) return { name, unavailable: "QLORA_PYTHON names no Python with torch and peft", run: () => {} };
  let child: ChildProcess | undefined;
  let lines: AsyncIterator<string>;
  return {
    name,
    run: () => {},
    async seconds() {
      if (!child) {
        child = spawn(python!, [script], { stdio: ["pipe", "pipe", "ignore"] });
        lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
        child.stdin!.write(`${JSON.stringify({ ...job, threads: threads() })}\n`);
        await lines.next();
        process.once("exit", () => child?.kill());
      }
      child.stdin!.write("run\n");
      return Number((await lines.next()).value);
    },
    stop: () => child?.kill(),
  };
}
