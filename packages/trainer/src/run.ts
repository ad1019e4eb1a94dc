// One run from its first step, or a checkpoint's, to its end.
//
// Every decision at step N (evaluate, save, stop early, skip) is a function of the configuration and of the log up to N, and is
// taken at the top of the loop. A run that was interrupted anywhere takes up there and does the same.
import { setImmediate as tick } from "node:timers/promises";
import { gradNorm, type Schedule } from "@qlora/paged-optim";
import { writeFileAtomic } from "@qlora/safetensors";
import { type Model, Runner, type Trainable, zero } from "@qlora/transformer";
import { saveBest } from "./adapters.js";
import { type CheckpointContents, writeCheckpoint } from "./checkpoint.js";
import { formatConfig } from "./config.js";
import type { TrainingData } from "./dataset.js";
import { TrainError } from "./error.js";
import type { DeviceEstimate } from "./estimate-device.js";
import type { StepEvent, TrainEvent } from "./events.js";
import { type Fingerprint, fingerprint } from "./fingerprint.js";
import { collectGarbage } from "./garbage.js";
import { heldOutLoss } from "./held-out.js";
import { History } from "./history.js";
import { makeOptimizer, makeSchedule } from "./optimizer.js";
import type { StepOrder } from "./order.js";
import { finishRun } from "./result.js";
import { checkpointContents, restore } from "./resume.js";
import type { RunFolder } from "./run-folder.js";
import type { TrainConfig } from "./schema.js";
import { describeExamples, whySkip } from "./skip.js";
import { accumulate } from "./step.js";
import { EventFile } from "./tensorboard.js";

type Optimizer = ReturnType<typeof makeOptimizer>;
type Events<T> = AsyncGenerator<TrainEvent, T, void>;

const maxSkipped = 3;

export interface RunParts {
  config: TrainConfig;
  folder: RunFolder;
  model: Model;
  data: TrainingData;
  order: StepOrder;
  parameters: Trainable[];
  /** `performance.now()` when the run began, and the memory that it was expected to take. */
  started: number;
  expectedBytes: number;
  /** What memory there is for on a GPU, where the run computes on one. */
  onDevice?: Pick<DeviceEstimate, "stateOnDevice" | "decodeBlocks"> | undefined;
  signal: AbortSignal | undefined;
}

export class Run {
  readonly history = new History();
  step = 0;
  tokens = 0;
  private readonly runner: Runner;
  private readonly schedule: Schedule;
  private readonly fingerprint: Fingerprint;
  /** Step of the newest checkpoint of this folder that is on disk. */
  private saved: number | undefined;
  private board: EventFile | undefined;
  /** When this process began to step, and at which step. */
  private clock = { start: 0, step: 0 };

  constructor(readonly parts: RunParts) {
    const { config, model, data, order, onDevice } = parts;
    this.runner = new Runner(model, {
      tokens: order.largestPass,
      targets: order.largestTargets,
      longest: order.longest,
      ...(config.device === "cpu" ? { activationMemory: config.activationMemory * 2 ** 20 } : {}),
      decodeBlocks: onDevice?.decodeBlocks ?? false,
    });
    this.schedule = makeSchedule(config, order.steps);
    this.fingerprint = fingerprint(config, model, data.training, data.heldOut);
  }

  async *go(): Events<void> {
    const { config, folder, order } = this.parts;
    using optimizer = makeOptimizer(this.parts.parameters, config, folder.file("optimizer.pages"), {
      device: this.parts.model.device,
      ...this.parts.onDevice,
    });
    const resumed = yield* restore(this.parts, this.history, this.fingerprint, optimizer);
    if (resumed) ({ step: this.step, tokens: this.tokens, saved: this.saved } = resumed);
    collectGarbage();
    writeFileAtomic(folder.file("config.yaml"), formatConfig(config));
    if (!resumed) folder.openLog(0);
    if (config.tensorboard) this.board = EventFile.open(folder.path, this.history);
    this.clock = { start: performance.now(), step: this.step };
    try {
      for (;;) {
        if (this.evaluationDue() && !(yield* this.evaluate(optimizer))) return yield* this.stop(optimizer);
        const ended = this.step >= order.steps || this.stopsEarly();
        if (this.checkpointDue(ended)) yield this.checkpoint(optimizer);
        if (ended) return yield finishRun(this, this.stopsEarly());
        if (!(yield* this.oneStep(optimizer))) return yield* this.stop(optimizer);
      }
    } finally {
      this.board?.close();
      this.runner[Symbol.dispose]();
    }
  }

  private evaluationDue(): boolean {
    const { config, data, order } = this.parts;
    if (data.heldOut.length === 0 || this.history.heldOut.at(-1)?.step === this.step) return false;
    return this.step === 0 || this.step >= order.steps || (config.evalSteps > 0 && this.step % config.evalSteps === 0);
  }

  private stopsEarly(): boolean {
    const { earlyStopping } = this.parts.config;
    return earlyStopping > 0 && this.history.sinceBest >= earlyStopping;
  }

  private checkpointDue(ended: boolean): boolean {
    const { saveSteps } = this.parts.config;
    if (this.step === 0 || this.saved === this.step) return false;
    return ended || (saveSteps > 0 && this.step % saveSteps === 0);
  }

  /** Saves the last finished step of a run that was told to stop. */
  private *stop(optimizer: Optimizer): Generator<TrainEvent, void, void> {
    if (this.step > 0 && this.saved !== this.step) yield this.checkpoint(optimizer);
    yield { type: "stopped", step: this.step };
  }

  /** Accumulates a step's passes and applies it; false when it was abandoned because of the signal. */
  private async *oneStep(optimizer: Optimizer): Events<boolean> {
    const { config, parameters, order, data, signal, folder } = this.parts;
    const began = performance.now();
    const indices = order.step(this.step);
    for (const { grad } of parameters) zero(grad);
    const passes = accumulate(
      this.runner,
      indices.map((pass) => pass.map((i) => data.training[i]!)),
      {
        checkpointing: config.gradientCheckpointing,
        dropout: config.method === "full" ? 0 : config.loraDropout,
        seed: config.seed,
        step: this.step,
      },
    );
    let next = passes.next();
    for (; !next.done; next = passes.next()) {
      await tick();
      if (signal?.aborted) return false;
    }
    const { nll, targets, tokens, badPass } = next.value;
    const loss = nll / targets;
    const norm = gradNorm(parameters);
    const reason = whySkip(this, loss, norm);
    const lr = config.learningRate * this.schedule(this.step);
    if (!reason)
      optimizer.step({ lr, gradNorm: norm, ...(config.maxGradNorm > 0 ? { maxNorm: config.maxGradNorm } : {}) });
    this.step++;
    this.tokens += tokens;
    const entry = {
      step: this.step,
      loss,
      gradNorm: norm,
      lr,
      tokens,
      targetTokens: targets,
      skipped: reason !== undefined,
    };
    const tokensPerSecond = tokens / ((performance.now() - began) / 1000);
    folder.append({ ...entry, tokensPerSecond });
    this.history.add(entry);
    this.board?.add(this.step, { loss, gradNorm: norm, lr, tokensPerSecond });
    if (reason) {
      const pass = badPass === undefined ? indices.flat() : indices[badPass]!;
      const where = badPass === undefined ? "" : `pass ${badPass + 1} of ${indices.length}, `;
      yield {
        type: "warning",
        message: `step ${this.step}: ${reason}; the step was not applied (${where}${describeExamples(data, pass)})`,
      };
    }
    const perStep = (performance.now() - this.clock.start) / 1000 / (this.step - this.clock.step);
    yield {
      type: "step",
      steps: order.steps,
      ...entry,
      tokensPerSecond,
      etaSeconds: perStep * (order.steps - this.step),
    } satisfies StepEvent;
    if (this.history.skippedInRow >= maxSkipped) {
      const kept =
        this.saved === undefined ? "there is no checkpoint yet" : `the last checkpoint is step ${this.saved}`;
      throw new TrainError(
        "NON_FINITE",
        `${maxSkipped} steps in a row (${this.step - maxSkipped + 1} to ${this.step}) could not be applied, the last because ${reason}; ${kept}. Lower learning_rate, or look at the data of these steps`,
      );
    }
    return true;
  }

  /** Held-out loss of this step, and the best checkpoint where it is one; false when the signal came in between. */
  private async *evaluate(optimizer: Optimizer): Events<boolean> {
    const { config, data, order, signal, folder } = this.parts;
    const passes = heldOutLoss(this.runner, data.heldOut, order.largestPass);
    let next = passes.next();
    for (let done = -1; !next.done; next = passes.next()) {
      if (next.value.done !== done) yield { type: "evaluating", ...next.value };
      done = next.value.done;
      await tick();
      if (signal?.aborted) return false;
    }
    const loss = next.value;
    const entry = { step: this.step, heldOutLoss: loss };
    folder.append(entry);
    this.history.add(entry);
    this.board?.add(this.step, { heldOutLoss: loss });
    if (config.evalSteps > 0 && this.step > 0 && this.history.best?.step === this.step)
      writeCheckpoint(
        folder.best,
        { ...this.contents(optimizer), extra: (dir) => saveBest(this.parts.model, config, dir) },
        1,
      );
    yield { type: "evaluation", step: this.step, loss };
    return true;
  }

  private checkpoint(optimizer: Optimizer): TrainEvent {
    const { folder, config } = this.parts;
    const path = writeCheckpoint(folder.checkpoints, this.contents(optimizer), config.keepCheckpoints);
    this.saved = this.step;
    return { type: "checkpoint", step: this.step, path };
  }

  private contents(optimizer: Optimizer): CheckpointContents {
    return checkpointContents(this, optimizer, this.fingerprint, this.saved);
  }
}
