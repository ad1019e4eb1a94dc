// Killed anywhere, and again and again: the run that is continued ends bit for bit like the one that was left alone.
// QLORA_KILLS sets how many random kills there are (`pnpm test:soak` takes more).
import { spawn, spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bundled, folder, makeModel, result, tinyRun, train, trainCommand, trainProcess } from "./shared.js";
import { callsBelow, inject, noStrace } from "./strace.js";

const kills = Number(process.env.QLORA_KILLS ?? 20);

/** Runs a command and kills it after `ms`, unless it ends before; returns its exit status, null when killed. */
function runAndKill(command: readonly string[], ms: number): Promise<number | null> {
  const child = spawn(command[0]!, command.slice(1), { stdio: "ignore" });
  const timer = setTimeout(() => child.kill("SIGKILL"), ms);
  return new Promise((done) =>
    child.on("close", (status) => {
      clearTimeout(timer);
      done(status);
    }),
  );
}

/** Uniforms in [0, 1) that are the same in every run of the test. */
function uniforms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const crashRun = (dir: string) =>
  tinyRun(dir, { maxSteps: 12, saveSteps: 2, evalSteps: 3, resume: "auto", optimizerMemory: 1 / 64 });

test(`${kills} random SIGKILLs: every finished run is bit-identical`, {
  timeout: 60_000 + kills * 10_000,
}, async () => {
  const dir = folder();
  const options = crashRun(dir);
  const began = performance.now();
  expect(trainProcess(options).status).toBe(0);
  let length = performance.now() - began;
  const expected = result(options.output, 12);
  const best = readdirSync(join(options.output, "best"));
  expect(best).toHaveLength(1);
  const random = uniforms(1);
  let [killed, finished] = [0, 0];
  while (killed < kills) {
    const output = join(dir, "killed");
    rmSync(output, { recursive: true, force: true });
    for (let status: number | null = null; status === null; ) {
      // The first quarter is Node starting up; what counts are kills while something is computed or written.
      const ms = killed < kills ? length * (0.25 + 0.75 * random()) : 2 ** 30;
      const start = performance.now();
      status = await runAndKill(trainCommand({ ...options, output }), ms);
      if (status !== null) length = (length + performance.now() - start) / 2; // the machine may be less busy than it was
      if (status === null) killed++;
      else expect(status).toBe(0);
    }
    finished++;
    expect(result(output, 12)).toEqual(expected);
    for (const name of ["weights.safetensors", "optimizer.safetensors", "adapter_model.safetensors"])
      expect(readFileSync(join(output, "best", best[0]!, name))).toEqual(
        readFileSync(join(options.output, "best", best[0]!, name)),
      );
  }
  console.log(`${killed} kills, ${finished} finished runs, all bit-identical`);
});

const reason = noStrace();
describe.skipIf(reason !== undefined)(`with strace${reason ? ` (skipped: ${reason})` : ""}`, () => {
  test("SIGKILL at every system call of a save and of the end of a run", { timeout: 600_000 }, async () => {
    const dir = folder();
    makeModel(join(dir, "model"), { layers: 1 });
    const options = { ...crashRun(dir), loraTargetModules: "q_proj", maxSteps: 4, evalSteps: 2 };
    await train(options);
    const expected = result(options.output, 4);
    // The same run stopped after step 3, from which each process takes one step more, saves twice (step 4 and best) and ends.
    const begun = join(dir, "begun");
    const stop = new AbortController();
    await train({ ...options, output: begun }, stop.signal, (event) => {
      if (event.type === "step" && event.step === 3) stop.abort();
    });
    const output = join(dir, "run-under-test");
    const command = trainCommand({ ...options, output });
    const restore = () => {
      rmSync(output, { recursive: true, force: true });
      cpSync(begun, output, { recursive: true });
    };
    restore();
    const calls = callsBelow(output, command);
    expect(calls.length).toBeGreaterThan(40);
    let fired = 0;
    for (const call of calls) {
      restore();
      const [program, ...args] = [...inject(call, "signal=SIGKILL"), ...command] as [string, ...string[]];
      const { status } = spawnSync(program, args, { stdio: "ignore" });
      if (status !== 0) fired++;
      await train({ ...options, output });
      expect(result(output, 4), call.line).toEqual(expected);
    }
    console.log(`${calls.length} system calls, ${fired} kills, every continued run bit-identical`);
    expect(fired).toBeGreaterThan(calls.length * 0.8);
  });

  /** Kills `save.mjs` at each of its calls; returns after how many of them it could not go on. */
  function killsThatLose(how: "recipe" | "naive"): { lost: number; killed: number } {
    const [begun, dir] = [join(folder(), "begun"), join(folder(), "checkpoints")];
    const program = (path: string) => [process.execPath, bundled("save"), path, how, "50000"];
    const run = ([command, ...args]: string[]) => spawnSync(command!, args, { stdio: "ignore" }).status;
    for (let step = 1; step <= 2; step++) expect(run(program(begun))).toBe(0);
    const restore = () => {
      rmSync(dir, { recursive: true, force: true });
      cpSync(begun, dir, { recursive: true });
    };
    restore();
    let [lost, killed] = [0, 0];
    for (const call of callsBelow(dir, program(dir))) {
      restore();
      if (run([...inject(call, "signal=SIGKILL"), ...program(dir)]) !== 0) killed++;
      if (run(program(dir)) !== 0) lost++;
    }
    return { lost, killed };
  }

  test("killed at every system call, the recipe never loses a checkpoint; writing over the old one does", {
    timeout: 600_000,
  }, () => {
    const naive = killsThatLose("naive");
    const recipe = killsThatLose("recipe");
    console.log(
      `naive: ${naive.lost} of ${naive.killed} kills lost the checkpoint; recipe: ${recipe.lost} of ${recipe.killed}`,
    );
    expect(naive.lost).toBeGreaterThan(0);
    expect(recipe.killed).toBeGreaterThan(20);
    expect(recipe.lost).toBe(0);
  });
});
