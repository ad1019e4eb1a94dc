// From a configuration to a run: files are checked, memory and disk are, then the model is loaded and trained.
import { setImmediate as tick } from "node:timers/promises";
import { memInfo } from "@qlora/cuda-runtime";
import { checkVocabulary, loadTokenizer } from "@qlora/data";
import { setThreads as setKernelThreads } from "@qlora/kernels";
import { setThreads as setNf4Threads } from "@qlora/nf4";
import { setThreads as setOptimThreads } from "@qlora/paged-optim";
import {
  findDevice,
  freeModel,
  isMappable,
  loadSteps,
  type Model,
  modelParameters,
  readModelConfig,
  trainables,
} from "@qlora/transformer";
import { makeTrainable } from "./adapters.js";
import { parseByteSize } from "./byte-size.js";
import { parseConfig } from "./config.js";
import { describeReport, loadData, type TrainingData } from "./dataset.js";
import { deviceError } from "./device.js";
import { estimateDisk } from "./estimate.js";
import type { TrainEvent } from "./events.js";
import { estimateRun, refuseDisk, refuseMemory } from "./fit.js";
import { passSize, stepOrder } from "./order.js";
import { availableMemory, folderBytes, freeBytes } from "./resources.js";
import { Run } from "./run.js";
import { RunFolder } from "./run-folder.js";
import { basePrecision, computePasses, type TrainConfig, type TrainOptions } from "./schema.js";

export interface RunOptions {
  /** Abort to stop at the next block; the last finished step is saved as a checkpoint first. */
  signal?: AbortSignal;
}

/** Trains as its configuration says. `for await (const event of trainer.run())` does the work. */
export class Trainer {
  readonly config: TrainConfig;
  /** The model, once `run` has loaded it; what it had on a device is freed when the run ends. */
  model: Model | undefined;
  /** The data, once `run` has read it. */
  data: TrainingData | undefined;

  /** @throws {ConfigError} when the options do not make a configuration. */
  constructor(options: TrainOptions) {
    this.config = parseConfig(options);
  }

  /** Reports what happens while it happens. @throws {TrainError | ConfigError | DataError | ModelError | SafetensorsError | LoraError} */
  async *run({ signal }: RunOptions = {}): AsyncGenerator<TrainEvent, void, void> {
    const { config } = this;
    const started = performance.now();
    const device = findDevice(config.device);
    if (config.threads) for (const set of [setKernelThreads, setNf4Threads, setOptimThreads]) set(config.threads);
    const folder = new RunFolder(config.output);
    folder.check(config.resume !== undefined);

    const modelConfig = readModelConfig(config.model);
    const tokenizer = loadTokenizer(config.model);
    checkVocabulary(tokenizer, { rows: modelConfig.vocabSize });
    const data = loadData(config, tokenizer, modelConfig.maxPositions);
    this.data = data;
    const { report } = data;
    yield {
      type: "data",
      training: data.training.length,
      heldOut: data.heldOut.length,
      summary: describeReport(report),
      tokens: report.tokens,
      targetTokens: report.targetTokens,
    };

    const order = stepOrder(data.training, config);
    const resident = process.memoryUsage().rss;
    const { maxMemory, gpuMemory } = config;
    const available =
      device === "cpu"
        ? Math.min(availableMemory() + resident, (maxMemory ?? Number.POSITIVE_INFINITY) * 2 ** 20)
        : Math.min(memInfo(device).free, gpuMemory === undefined ? Number.POSITIVE_INFINITY : parseByteSize(gpuMemory));
    const requirements = {
      model: modelConfig,
      config,
      passSize: (changed: TrainConfig) => passSize(data.training, changed),
      process: resident,
      mappable: () => isMappable(config.model, basePrecision(config)),
      ...(device === "cpu" ? {} : { deviceMemory: available }),
    };
    const estimate = estimateRun(requirements);
    const replaced = folderBytes(folder.checkpoints) + folderBytes(folder.best);
    const needed = Math.max(0, estimateDisk({ model: modelConfig, config, tokens: 0 }) - replaced);
    const disk = { needed, free: freeBytes(config.output) };
    yield { type: "memory", estimate, available, disk };
    refuseMemory(requirements, available);
    refuseDisk(config.output, disk, config);

    await folder.open();
    try {
      const loading = loadSteps(config.model, {
        precision: basePrecision(config),
        blockSize: config.blockSize,
        doubleQuant: config.doubleQuant,
        mapWeights: config.mapWeights,
        compute: computePasses(config),
        device,
      });
      let loaded = loading.next();
      for (; !loaded.done; loaded = loading.next()) {
        yield { type: "loading", ...loaded.value };
        await tick();
        if (signal?.aborted) return yield { type: "stopped", step: 0 };
      }
      const model = loaded.value;
      this.model = model;
      makeTrainable(model, config);
      const parameters = trainables(model);
      yield {
        type: "model",
        parameters: modelParameters(model.config),
        trainable: parameters.reduce((sum, { data }) => sum + data.length, 0),
      };
      yield* new Run({
        config,
        folder,
        model,
        data,
        order,
        parameters,
        started,
        expectedBytes: estimate.total + estimate.mapped,
        ...("stateOnDevice" in estimate ? { onDevice: estimate } : {}),
        signal,
      }).go();
    } catch (error) {
      throw deviceError(error, device, folder.checkpoints);
    } finally {
      if (this.model) freeModel(this.model);
      folder.close();
    }
  }
}
