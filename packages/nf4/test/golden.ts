// The golden vectors of bitsandbytes (bits, not decimals), and the formulas of their inputs.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

interface Case {
  name: string;
  shape: number[];
  blocksize: number;
  quant_type: "nf4" | "fp4";
  double_quant: boolean;
  packed_b64: string;
  packed_sha256: string;
  dequant_sha256_f32le: string;
  mean_abs_err: number;
  absmax?: string[];
  absmax_u8_b64?: string;
  nested_absmax?: string[];
  nested_offset?: number;
}

interface Golden {
  nf4: string[];
  fp4: string[];
  dynamic_signed: string[];
  dynamic_unsigned: string[];
  cases: Case[];
}

export const golden: Golden = JSON.parse(
  readFileSync(new URL("./golden/bitsandbytes-nf4.json", import.meta.url), "utf8"),
);

/** f32 values from big-endian hex words. */
export function fromHex(words: string[]): Float32Array {
  return new Float32Array(Uint32Array.from(words, (word) => Number.parseInt(word, 16)).buffer);
}

/** The input of a case; its `input_formula` in the file says the same. */
export function input(name: string, n: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) =>
    name.startsWith("small")
      ? ((((i * 37) % 101) - 50) / 25) * (1 + Math.floor(i / 64) * 0.5)
      : ((((i * 7919) % 1009) - 504) / 504) * (0.01 + (Math.floor(i / 64) % 97) * 0.001),
  );
}

export function sha256(data: ArrayBufferView): string {
  return createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
}
