// A GGUF file (version 3) of a LLaMA-shaped model with random weights: Q4_0 or Q8_0 in the blocks, the head in bf16, as our own is measured, or f32.
// Format: github.com/ggml-org/ggml, docs/gguf.md. For measuring llama.cpp and what is made of it alone: its tokens mean nothing, and
// text is read a byte a token, but for <s> and the three bytes of a space in front.
import { closeSync, openSync, writeSync } from "node:fs";
import { float32ToBf16 } from "@qlora/safetensors";
import type { Shape } from "./random-model.js";

const types = { u32: 4, i32: 5, f32: 6, string: 8, array: 9 } as const;
const tensorTypes = { F32: 0, Q4_0: 2, Q8_0: 8, BF16: 30 } as const;
/** Bytes of a block of 32 weights, and the standard deviation of its codes, which are uniform. */
const blockTypes = { Q4_0: { bytes: 18, deviation: 4.61 }, Q8_0: { bytes: 34, deviation: 73.9 } } as const;
const alignment = 32;

type Tensor = { name: string; columns: number; rows: number; type: keyof typeof tensorTypes };

export interface GgufKind {
  /** qwen3 is llama with norms on the heads of queries and keys, and rotates their halves. */
  architecture: "llama" | "qwen3";
  /** Of the embedding and of the linear layers. */
  type: keyof typeof blockTypes;
  head: "F32" | "BF16";
}

/** Writes the file at once, tensor by tensor. */
export function writeGguf(
  path: string,
  { hidden, layers, ffn, heads, vocab }: Shape,
  contextLength: number,
  { architecture, type, head: headType }: GgufKind,
): void {
  const matrix = (name: string, rows: number, columns: number): Tensor => ({ name, rows, columns, type });
  const norm = (name: string, columns = hidden): Tensor => ({ name, rows: 1, columns, type: "F32" });
  const tensors: Tensor[] = [
    matrix("token_embd.weight", vocab, hidden),
    ...Array.from({ length: layers }, (_, i) => [
      norm(`blk.${i}.attn_norm.weight`),
      ...["q", "k", "v", "output"].map((key) => matrix(`blk.${i}.attn_${key}.weight`, hidden, hidden)),
      ...(architecture === "qwen3" ? ["q", "k"] : []).map((key) =>
        norm(`blk.${i}.attn_${key}_norm.weight`, hidden / heads),
      ),
      norm(`blk.${i}.ffn_norm.weight`),
      matrix(`blk.${i}.ffn_gate.weight`, ffn, hidden),
      matrix(`blk.${i}.ffn_up.weight`, ffn, hidden),
      matrix(`blk.${i}.ffn_down.weight`, hidden, ffn),
    ]).flat(),
    norm("output_norm.weight"),
    { name: "output.weight", rows: vocab, columns: hidden, type: headType },
  ];
  // Three special tokens, the 256 bytes (llama.cpp looks for the line feed), and names that mean nothing.
  const special = [
    "<unk>",
    "<s>",
    "</s>",
    ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`),
  ];
  const tokens = Array.from({ length: vocab }, (_, i) => special[i] ?? `▁t${i}`);
  const tokenTypes = tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < special.length ? 6 : 1));
  const metadata: [string, Buffer][] = [
    ["general.architecture", text(architecture)],
    ["general.name", text("random weights")],
    [`${architecture}.context_length`, u32(contextLength)],
    [`${architecture}.embedding_length`, u32(hidden)],
    [`${architecture}.block_count`, u32(layers)],
    [`${architecture}.feed_forward_length`, u32(ffn)],
    [`${architecture}.rope.dimension_count`, u32(hidden / heads)],
    [`${architecture}.attention.head_count`, u32(heads)],
    [`${architecture}.attention.head_count_kv`, u32(heads)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, value("f32", float32(1e-5))],
    ["tokenizer.ggml.model", text("llama")],
    ["tokenizer.ggml.tokens", array("string", tokens.map(bytes))],
    [
      "tokenizer.ggml.scores",
      array(
        "f32",
        tokens.map((_, i) => float32(-i)),
      ),
    ],
    ["tokenizer.ggml.token_type", array("i32", tokenTypes.map(uint32))],
    ["tokenizer.ggml.bos_token_id", u32(1)],
    ["tokenizer.ggml.eos_token_id", u32(2)],
  ];
  let offset = 0;
  const infos = tensors.map(({ name, columns, rows, type }) => {
    const dimensions = rows === 1 ? [columns] : [columns, rows];
    const info = [
      bytes(name),
      uint32(dimensions.length),
      ...dimensions.map(uint64),
      uint32(tensorTypes[type]),
      uint64(offset),
    ];
    offset += padded(size({ name, columns, rows, type }));
    return Buffer.concat(info);
  });
  const head = Buffer.concat([
    Buffer.from("GGUF"),
    uint32(3),
    uint64(tensors.length),
    uint64(metadata.length),
    ...metadata.flatMap(([key, content]) => [bytes(key), content]),
    ...infos,
  ]);
  const file = openSync(path, "w");
  try {
    writeSync(file, Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length)]));
    for (const tensor of tensors) {
      const { type } = tensor;
      const data = type === "F32" || type === "BF16" ? plain(tensor, type) : blocks(tensor, type);
      for (let at = 0; at < data.length; ) at += writeSync(file, data, at, Math.min(data.length - at, 1 << 30));
    }
  } finally {
    closeSync(file);
  }
}

const size = ({ columns, rows, type }: Tensor) =>
  rows * columns * (type === "F32" ? 4 : type === "BF16" ? 2 : blockTypes[type].bytes / 32);
const padded = (length: number) => Math.ceil(length / alignment) * alignment;

let state = 1;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state;
}

/** Ones for a norm, small numbers for a matrix. */
function plain({ rows, columns }: Tensor, type: "F32" | "BF16"): Buffer {
  const data = new Float32Array(rows * columns).fill(1);
  if (rows > 1) for (let i = 0; i < data.length; i++) data[i] = (random() / 2 ** 31) * 0.02;
  return Buffer.from(type === "F32" ? data.buffer : float32ToBf16(data).buffer);
}

/**
 * Blocks of 32 weights, of variance 1/columns over all: a scale in f16, then the codes. Q4_0: 16 bytes of two codes each, a weight is
 * scale·(code − 8); Q8_0: 32 signed bytes, a weight is scale·code.
 */
function blocks(tensor: Tensor, type: keyof typeof blockTypes): Buffer {
  const data = Buffer.alloc(padded(size(tensor)));
  const words = new Int32Array(data.buffer, data.byteOffset, data.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = random();
  const { bytes, deviation } = blockTypes[type];
  const scale = float16(1 / (deviation * Math.sqrt(tensor.columns)));
  for (let at = 0; at < size(tensor); at += bytes) data.writeUInt16LE(scale, at);
  return data;
}

/** A normal positive number in f16, cut. */
function float16(x: number): number {
  const exponent = Math.floor(Math.log2(x));
  return ((exponent + 15) << 10) | Math.floor((x / 2 ** exponent - 1) * 1024);
}

function uint32(x: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(x);
  return out;
}

function uint64(x: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(x));
  return out;
}

function float32(x: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeFloatLE(x);
  return out;
}

/** A string with its length in front. */
function bytes(x: string): Buffer {
  const content = Buffer.from(x);
  return Buffer.concat([uint64(content.length), content]);
}

const value = (type: keyof typeof types, content: Buffer) => Buffer.concat([uint32(types[type]), content]);
const u32 = (x: number) => value("u32", uint32(x));
const text = (x: string) => value("string", bytes(x));
const array = (type: keyof typeof types, items: Buffer[]) =>
  value("array", Buffer.concat([uint32(types[type]), uint64(items.length), ...items]));
