// Where a number that is not finite came from.
import { firstNonFinite } from "@qlora/paged-optim";
import { hostTensor, linears, type Model, type Trainable, toHost } from "@qlora/transformer";

/** The first tensor with a non-finite element: of what trains, then of the frozen model, then of the gradients. */
export function nonFiniteTensor(model: Model, parameters: readonly Trainable[]): string | undefined {
  const trained = firstNonFinite(parameters.map(({ name, data }) => ({ name, grad: data })));
  if (trained !== undefined) return trained;
  for (const { name, values } of frozen(model)) if (!values.every(Number.isFinite)) return name;
  const gradient = firstNonFinite(parameters);
  return gradient === undefined ? undefined : `the gradient of ${gradient}`;
}

function* frozen(model: Model): Generator<{ name: string; values: Float32Array }> {
  for (const { name, weight } of [model.embedding, ...linears(model), model.head]) {
    if (weight.kind === "dense")
      yield {
        name: `${name}.weight`,
        values: finiteBits(toHost(weight.data as Float32Array | Uint16Array)),
      };
    else {
      const data = weight.kind === "4bit" ? hostTensor(weight.data) : weight.data;
      for (const values of [data.absmax, "nested" in data ? data.nested?.absmax : undefined])
        if (values) yield { name: `${name}.weight`, values };
    }
  }
  for (const { inputNorm, postAttentionNorm } of model.layers)
    for (const { name, weight } of [inputNorm, postAttentionNorm])
      yield { name: `${name}.weight`, values: toHost(weight as Float32Array) };
  yield { name: `${model.norm.name}.weight`, values: toHost(model.norm.weight as Float32Array) };
}

/** f32 as it is; of bf16 words one value, which is not finite if a word is not. */
function finiteBits(x: Float32Array | Uint16Array): Float32Array {
  if (x instanceof Float32Array) return x;
  return Float32Array.of(x.some((word) => (word & 0x7f80) === 0x7f80) ? Number.NaN : 0);
}
