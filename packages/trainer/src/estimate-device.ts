// What a run will need of a GPU's memory, part by part, before anything is loaded; and how much of the optimiser's state stays there.
import { denseRows } from "@qlora/nf4";
import { linearKeys, linearShape, logitsRows } from "@qlora/transformer";
import {
  activationsPart,
  type EstimateInput,
  type MemoryEstimate,
  product,
  trainedPart,
  trainedSizes,
  weightBytes,
} from "./estimate.js";
import { basePrecision } from "./schema.js";

/** Bytes on the device by part; `total` is the expected peak of the whole process there. */
export interface DeviceEstimate extends MemoryEstimate {
  /** Bytes of optimiser state on the device: the budget for DeviceState of @qlora/paged-optim. */
  stateOnDevice: number;
  /** Bytes of optimiser state in pinned memory of the host, which the device reads and writes in place. */
  stateOnHost: number;
  /** There is room to keep a block's weights decoded from its recomputation to its backward (`decodeBlocks` of Runner). */
  decodeBlocks: boolean;
}

export type DeviceEstimateInput = Omit<EstimateInput, "process" | "storedBytes"> & {
  /** Bytes that the run may take of the device. A paged optimiser's state that does not fit lies on the host. Default: no limit. */
  gpuMemory?: number;
};

/**
 * The driver's context with the kernels, and the workspace of cuBLAS. Assumed, not measured yet: 0.3 to 0.8 GiB by what others
 * report.
 */
const contextBytes = 0.5 * 2 ** 30;

/** Memory of training on a GPU: f32 adapters, gradients, norms and states; everything else that is not in 4 bits in bf16. */
export function estimateDeviceMemory(input: DeviceEstimateInput): DeviceEstimate {
  const { model, config, tokens: t, targets = t, gpuMemory = Number.POSITIVE_INFINITY } = input;
  const { hiddenSize: d, intermediateSize: f, heads, kvHeads, headDim, layers, vocabSize } = model;
  const [qWidth, kvWidth] = [heads * headDim, kvHeads * headDim];
  const full = config.method === "full";
  const precision = basePrecision(config);
  const dense = precision === "f32" ? 4 : 2;
  const matrices = linearKeys.map((key) => product(linearShape(model, key)));
  const rank = full ? 0 : config.loraR;
  const { elements: trained, state } = trainedSizes(input);

  const kept = t * (3 * d + 2 * qWidth + 2 * kvWidth + 3 * f + 7 * rank) * 2 + t * (heads + 2) * 4;
  const widest = config.loraDropout > 0 && !full ? Math.max(d, f, qWidth) : 0;
  const scratch = t * (3 * d + f + 2 * qWidth + 2 * kvWidth + widest + 3 * rank) * 2;
  const quantised = precision === "nf4" || precision === "fp4";
  const decoded = quantised && t >= denseRows() ? Math.max(...matrices) * 2 : 0;
  const rows = logitsRows(targets, vocabSize);
  const parts = [
    {
      name: "base model",
      bytes:
        weightBytes(model, { ...config, mapWeights: false }, precision, dense).memory +
        (2 * layers + 1) * d * 4 +
        model.maxPositions * headDim * 4,
      note: `linear layers in ${precision}, embedding and head in ${dense * 8} bits`,
    },
    trainedPart(trained, rank),
    { name: "block inputs", bytes: layers * t * d * 2, note: `${t} tokens × ${layers} layers` },
    activationsPart(kept, config.gradientCheckpointing ? 1 : layers, layers),
    {
      name: "scratch",
      bytes: scratch + decoded,
      note: `gradients of one block${decoded ? ", one matrix decoded" : ""}`,
    },
    { name: "logits", bytes: rows * (vocabSize * 4 + 4 * d * 2), note: `${rows} rows at a time` },
    { name: "context", bytes: contextBytes, note: "CUDA's own and cuBLAS's: assumed, not measured" },
  ];
  const others = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const room = config.optimizer.startsWith("paged-") ? Math.max(0, gpuMemory - others) : Number.POSITIVE_INFINITY;
  const stateOnDevice = Math.min(state, room);
  const stateOnHost = state - stateOnDevice;
  const block = matrices.reduce((sum, n) => sum + n * 2, 0) - decoded;
  const decodeBlocks =
    decoded > 0 &&
    config.gradientCheckpointing &&
    stateOnHost === 0 &&
    others + state + block <= (input.gpuMemory ?? 0);
  const blockBytes = decodeBlocks ? block : 0;
  if (decodeBlocks)
    parts.push({ name: "decoded weights", bytes: blockBytes, note: "of one block, from recomputation to backward" });
  parts.splice(2, 0, {
    name: "optimiser",
    bytes: stateOnDevice,
    note:
      stateOnHost > 0
        ? `${config.optimizer}, the other ${Math.round(stateOnHost / 2 ** 20)} MiB pinned on the host`
        : config.optimizer,
  });
  const total = others + stateOnDevice + blockBytes;
  return { parts, total, mapped: 0, stateOnDevice, stateOnHost, decodeBlocks };
}
