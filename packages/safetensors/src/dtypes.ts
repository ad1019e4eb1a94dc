// The element types of the format, in the order of its specification (safetensors/src/tensor.rs, `enum Dtype`).

/** Bits per element. The order is by alignment; writers put tensors of the last type first. */
const BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type Dtype = keyof typeof BITS;

/** Every element type a file may name. */
export const dtypes: readonly Dtype[] = Object.keys(BITS) as Dtype[];

const RANKS = new Map<string, number>(dtypes.map((dtype, rank) => [dtype, rank]));

export function isDtype(name: string): name is Dtype {
  return RANKS.has(name);
}

/** Bits of one element: 4 to 64. */
export function bitsPerElement(dtype: Dtype): number {
  return BITS[dtype];
}

/** Place in the specification's list; the writer's first sort key, descending. */
export function dtypeRank(dtype: Dtype): number {
  return RANKS.get(dtype)!;
}

/** Bytes of a tensor, or why there is no such number. The product is formed in order, so that no part of it may overflow. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number | "overflow" | "partial byte" {
  let elements = 1;
  for (const dim of shape) {
    elements *= dim;
    if (elements > Number.MAX_SAFE_INTEGER) return "overflow";
  }
  const bits = elements * BITS[dtype];
  if (bits > Number.MAX_SAFE_INTEGER) return "overflow";
  return bits % 8 === 0 ? bits / 8 : "partial byte";
}
