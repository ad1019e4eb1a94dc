// bitsandbytes' tensors of a quantised weight, both ways: keys, dtypes and the JSON of its quant_state.
import { levels } from "./codebooks.js";
import { dynamicMapSigned } from "./dynamic-map.js";
import { oneOf } from "./plan.js";
import { array, blocks, checkBlockSize, checkTensor, elements } from "./shape.js";
import type { Codebook, NestedScales, QuantizedTensor } from "./types.js";

/** One tensor of a safetensors file. */
export interface BitsandbytesTensor {
  dtype: "U8" | "F32" | "BF16" | "F16";
  shape: number[];
  data: ArrayBufferView;
}

const dtypes = { bf16: "bfloat16", f16: "float16", f32: "float32" } as const;

/**
 * The tensors of `<prefix>.weight` in a bitsandbytes checkpoint, prefix being the module's path. The arrays are the
 * quantised tensor's own, not copies.
 * @param options.dtype of the weights before quantisation; bitsandbytes computes in it. "bf16" unless given.
 * @throws {RangeError} for what bitsandbytes cannot express: other codebooks than nf4 and fp4, shifts.
 */
export function toBitsandbytes(
  q: QuantizedTensor,
  prefix: string,
  { dtype = "bf16" }: { dtype?: keyof typeof dtypes } = {},
): Map<string, BitsandbytesTensor> {
  checkTensor(q);
  oneOf("dtype", dtype, ["bf16", "f16", "f32"]);
  if (q.codebook !== "nf4" && q.codebook !== "fp4")
    throw new RangeError(
      `bitsandbytes knows the codebooks nf4 and fp4, not ${typeof q.codebook === "string" ? q.codebook : "16 values of your own"}`,
    );
  if (q.shift || q.nestedShift)
    throw new RangeError('bitsandbytes has no shifts (quantised with shift: "information")');
  const key = `${prefix}.weight`;
  const u8 = (data: Uint8Array, shape = [data.length]): BitsandbytesTensor => ({ dtype: "U8", shape, data });
  const f32 = (data: Float32Array): BitsandbytesTensor => ({ dtype: "F32", shape: [data.length], data });
  const tensors = new Map([
    [key, u8(q.codes, [q.codes.length, 1])],
    [`${key}.absmax`, q.nested ? u8(q.nested.codes) : f32(q.absmax!)],
    [`${key}.quant_map`, f32(levels(q.codebook))],
  ]);
  if (q.nested) {
    tensors.set(`${key}.nested_absmax`, f32(q.nested.absmax));
    tensors.set(`${key}.nested_quant_map`, f32(q.nested.map));
  }
  tensors.set(`${key}.quant_state.bitsandbytes__${q.codebook}`, u8(new TextEncoder().encode(state(q, dtypes[dtype]))));
  return tensors;
}

/** The JSON of quant_state with the spacing and the number format of Python's json.dumps. */
function state({ codebook, blockSize, shape, nested }: QuantizedTensor, dtype: string): string {
  const fields = [
    `"quant_type": "${codebook}"`,
    `"blocksize": ${blockSize}`,
    `"dtype": "${dtype}"`,
    `"shape": [${shape.join(", ")}]`,
  ];
  if (nested)
    fields.push(
      `"nested_blocksize": ${nested.blockSize}`,
      `"nested_dtype": "float32"`,
      `"nested_offset": ${pythonFloat(nested.offset)}`,
    );
  return `{${fields.join(", ")}}`;
}

/** A number as Python's repr prints it: at least one decimal, exponents below 1e-4 and from 1e16, of two digits or more. */
export function pythonFloat(x: number): string {
  const magnitude = Math.abs(x);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    const [mantissa, exponent] = x.toExponential().split("e") as [string, string];
    return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
  }
  return Object.is(x, -0) ? "-0.0" : Number.isInteger(x) ? `${x}.0` : `${x}`;
}

/**
 * Reads what bitsandbytes (or `toBitsandbytes`) wrote for the module at `prefix`. Codes and scales are the bytes that `get`
 * gave, not copies (f32 ones are copied where they are not aligned).
 * @param get returns a tensor of the checkpoint by key, or undefined; data may be of any view type (and of any
 * quant_storage dtype), its bytes count.
 * @throws {TypeError|RangeError} naming the key where something is missing or does not fit.
 */
export function fromBitsandbytes(
  prefix: string,
  get: (key: string) => { dtype: string; shape: number[]; data: ArrayBufferView } | undefined,
): QuantizedTensor {
  const key = `${prefix}.weight`;
  const read = (name: string) => {
    const tensor = get(name);
    if (!tensor) throw new RangeError(`${name} is missing`);
    return tensor;
  };
  const u8 = (name: string, length?: number) => {
    const { data } = read(name);
    const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return length === undefined ? view : array(view, Uint8Array, name, length);
  };
  const f32 = (name: string, length: number) => {
    const { dtype } = read(name);
    if (dtype !== "F32") throw new TypeError(`${name} must be F32, got ${dtype}`);
    const bytes = u8(name, 4 * length);
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const values = new Float32Array(aligned.buffer, aligned.byteOffset, length);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) throw new RangeError(`${name}[${bad}] is ${values[bad]}, must be finite`);
    return values;
  };

  const type = (["nf4", "fp4"] as const).find((name) => get(`${key}.quant_state.bitsandbytes__${name}`));
  if (!type) throw new RangeError(`${key}.quant_state.bitsandbytes__nf4 (or __fp4) is missing`);
  const stateKey = `${key}.quant_state.bitsandbytes__${type}`;
  const fields = parseState(u8(stateKey), stateKey);
  if (fields.quant_type !== type)
    throw new RangeError(`${stateKey}: quant_type is ${JSON.stringify(fields.quant_type)}`);
  const shape = fields.shape as number[];
  const n = elements(shape, `${stateKey}: shape`);
  const blockSize = checkBlockSize(fields.blocksize as number, `${stateKey}: blocksize`);
  const count = blocks(n, blockSize);
  const codes = u8(key, Math.ceil(n / 2));
  const map = f32(`${key}.quant_map`, 16);
  const codebook: Codebook = levels(type).every((value, i) => value === map[i]) ? type : map;

  const absmaxKey = `${key}.absmax`;
  if (read(absmaxKey).dtype === "F32")
    return { codes, shape, codebook, blockSize, absmax: f32(absmaxKey, count), nested: undefined };
  if (read(absmaxKey).dtype !== "U8")
    throw new TypeError(`${absmaxKey} must be F32 or U8, got ${read(absmaxKey).dtype}`);
  if (fields.nested_blocksize !== 256)
    throw new RangeError(`${stateKey}: nested_blocksize must be 256, got ${fields.nested_blocksize}`);
  const offset = fields.nested_offset;
  if (typeof offset !== "number" || !Number.isFinite(offset))
    throw new TypeError(`${stateKey}: nested_offset must be a finite number, got ${offset}`);
  const nestedMap = f32(`${key}.nested_quant_map`, 256);
  const nested: NestedScales = {
    codes: u8(absmaxKey, count),
    absmax: f32(`${key}.nested_absmax`, Math.ceil(count / 256)),
    offset: Math.fround(offset),
    map: dynamicMapSigned.every((value, i) => value === nestedMap[i]) ? dynamicMapSigned : nestedMap,
    blockSize: 256,
  };
  return { codes, shape, codebook, blockSize, absmax: undefined, nested };
}

function parseState(bytes: Uint8Array, key: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new TypeError(`${key} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new TypeError(`${key} must be a JSON object`);
  return value as Record<string, unknown>;
}
