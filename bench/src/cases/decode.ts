// Decoding at batch 1, bound by memory, and a prompt in one pass, beside llama.cpp on the same shape: Q4_0 blocks, and the head in bf16 as ours is.
// Its products of many rows round activations to 8 bits, as our int8 mode does and f32 does not.
import { Decoder } from "@qlora/transformer";
import { type CaseGroup, expectClose } from "../case.js";
import { llamaPeer } from "../llama.js";
import { describe, linearWeights, modelConfig, randomModel, roleNames, type Shape } from "../random-model.js";

const prompt = 512;
/** Tokens after which decoding begins anew: so few that the weights are what is read, here and in the peer. */
const context = 128;
/** With the relative error of the logits: sums in another order, and activations in int8 through all layers. */
const prompts = [
  ["prompt", "f32", 3e-6],
  ["prompt int8", "int8", 0.035],
] as const;
const shapes: Shape[] = [
  { hidden: 1024, layers: 4, ffn: 2816, heads: 16, vocab: 32000 },
  { hidden: 4096, layers: 4, ffn: 11008, heads: 32, vocab: 32000 },
];

export const decoding: CaseGroup = {
  names: ["decode", "prompt", "prompt int8"],
  profiled: true,
  *make({ quick, shape: wanted }) {
    for (const shape of quick ? shapes.slice(0, 1) : shapes) {
      const title = `${describe(shape)}, batch 1`;
      const promptTitle = `${describe(shape)}, ${prompt} tokens`;
      if (!wanted.test(title) && !wanted.test(promptTitle)) continue;
      const config = modelConfig(shape, 4096);
      const model = randomModel(config, 0);
      const roles = roleNames(model);
      const head = shape.vocab * shape.hidden;
      const weights = linearWeights(config);
      const common = { unit: "tokens/s" as const };
      let decoder = new Decoder(model, context);
      decoder.append([1, 2, 3]);
      const decode = () => {
        if (decoder.length === decoder.capacity) decoder = new Decoder(model, context);
        decoder.append([5]);
      };
      yield {
        ...common,
        name: "decode",
        shape: title,
        work: 1,
        ceiling: { name: "read", work: ((weights * 4.127) / 8 + head * 2) / 1e9 },
        check() {
          if (!decoder.append([4]).every(Number.isFinite)) throw new Error("decode: logits are not finite; not timed");
        },
        run: decode,
        peers: [llamaPeer(shape, { context })],
        profile: { phases: once("one token", decode), roles },
      };
      const ids = Int32Array.from({ length: prompt }, (_, i) => (i * 7919) % shape.vocab);
      const attention = (4 * config.layers * shape.hidden * prompt * (prompt + 1)) / 2;
      for (const [name, compute, tolerance] of prompts) {
        const read = () => void new Decoder({ ...model, compute }, prompt).append(ids);
        yield {
          ...common,
          name,
          shape: promptTitle,
          work: prompt,
          ceiling: { name: "fma", work: (2 * weights * prompt + 2 * head + attention) / 1e9 },
          check() {
            const parts = new Decoder(model, 8);
            parts.append(ids.subarray(0, 3));
            const last = parts.append(ids.subarray(3, 4));
            const whole = new Decoder({ ...model, compute }, 8).append(ids.subarray(0, 4));
            expectClose(whole, last, tolerance, `${name}'s logits and those of f32 token by token`);
          },
          run: read,
          peers: [llamaPeer(shape, { context: 2048, prompt })],
          profile: { phases: once("prompt", read), roles },
        };
      }
    }
  },
};

/** The phases of something that has but one. */
function once(name: string, run: () => void): () => Generator<string> {
  return function* phases() {
    yield name;
    run();
  };
}
