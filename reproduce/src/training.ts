// Training runs as measurements: each in its own process with one thread, as many at a time as there are threads to use. Results do
// not depend on the number of threads, so runs side by side waste nothing on waiting for each other.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { trainingCode } from "./code.js";
import type { FineTuneResult, FineTuneSettings } from "./fine-tune.js";
import { root } from "./paths.js";
import { keyOf, type Results } from "./results.js";

/** Nothing new is begun after a signal. */
export class Stopped extends Error {
  override name = "Stopped";
}

export class Training {
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #planned = 0;
  #done = 0;
  stopped = false;

  constructor(
    readonly results: Results,
    readonly onProgress: (done: number, planned: number) => void,
    readonly atOnce = Number(process.env.QLORA_THREADS ?? availableParallelism()),
  ) {}

  /**
   * The result of a run, kept from an earlier time or measured now. @throws {Stopped} where a signal came before it began;
   * Error with what the run printed where it failed
   */
  async run(settings: FineTuneSettings): Promise<FineTuneResult> {
    const { model, data, heldOutData } = settings.options;
    const inputs = ["config.json", "model.safetensors", "tokenizer.json"].map((name) => join(model, name));
    const key = keyOf("run", settings, [...trainingCode(), ...inputs, data, heldOutData!]);
    const kept = this.results.find<FineTuneResult>(key);
    if (kept) return kept;
    this.#planned++;
    await this.#turn();
    try {
      if (this.stopped) throw new Stopped();
      return this.results.keep(key, await fineTuneProcess(settings));
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
      this.onProgress(++this.#done, this.#planned);
    }
  }

  async #turn(): Promise<void> {
    if (this.#running >= this.atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
  }
}

/** One run now, in a process of its own with one thread. @throws Error with what the run printed where it failed */
export function fineTuneProcess(settings: FineTuneSettings): Promise<FineTuneResult> {
  const program = join(root, "reproduce/dist/fine-tune.js");
  const child = spawn(process.execPath, [program, JSON.stringify(settings)], {
    env: { ...process.env, QLORA_THREADS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // Ctrl-C at a terminal reaches this process only, which lets the runs under way end
  });
  const stop = () => child.kill();
  process.once("exit", stop);
  let [out, error] = ["", ""];
  child.stdout.on("data", (piece) => (out += piece));
  child.stderr.on("data", (piece) => (error += piece));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      process.off("exit", stop);
      if (code === 0) resolve(JSON.parse(out) as FineTuneResult);
      else reject(new Error(`a training run failed (${code}): ${error.trim().split("\n").at(-1)}`));
    });
  });
}
