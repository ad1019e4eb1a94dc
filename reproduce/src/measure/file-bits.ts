// What double quantisation saves, in the bytes of files.
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linearKeys, linearShape, quantizeModel, readModelConfig } from "@qlora/transformer";
import { writeRandomCheckpoint } from "./random-checkpoint.js";

/** Bits per weight of linear layers between two quantised files of one block of `hidden` features, without and with double quantisation. */
export function doubleQuantisationBits(hidden: number): { saved: number; parameters: number } {
  const dir = mkdtempSync(join(tmpdir(), "qlora-reproduce-"));
  try {
    const model = join(dir, "model");
    writeRandomCheckpoint(model, { hidden, ffn: (hidden * 11) / 4, layers: 1, vocab: 1024 });
    const size = (doubleQuant: boolean) => {
      const output = join(dir, `quantised-${doubleQuant}`);
      quantizeModel(model, output, { codebook: "nf4", blockSize: 64, doubleQuant });
      return statSync(join(output, "model.safetensors")).size;
    };
    const config = readModelConfig(model);
    const parameters = linearKeys.reduce((sum, key) => sum + linearShape(config, key).reduce((a, b) => a * b, 1), 0);
    return { saved: (8 * (size(false) - size(true))) / parameters, parameters };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
