// Text from a model as it is made, token by token.
import { setImmediate as tick } from "node:timers/promises";
import type { Tokenizer } from "@qlora/data";
import { cacheTypes, type GenerateOptions, generate, type Model } from "@qlora/transformer";
import { z } from "zod";
import { seededUniform } from "./random.js";
import { StopText } from "./stop-text.js";

export const samplingOptions = {
  maxNewTokens: z.number().int().positive().default(256).describe("tokens to generate at most"),
  temperature: z.number().nonnegative().default(0).describe("0 takes the most likely token each time"),
  topK: z.number().int().nonnegative().default(0).describe("keep the k most likely tokens; 0 keeps all"),
  topP: z.number().positive().max(1).default(1).describe("keep the most likely tokens whose probabilities add up to p"),
  minP: z
    .number()
    .nonnegative()
    .max(1)
    .default(0)
    .describe("keep tokens with this share of the best one's probability"),
  repetitionPenalty: z.number().positive().default(1).describe("penalty on tokens already seen; 1 is none"),
  seed: z.number().int().nonnegative().default(42).describe("seed of sampling"),
  stop: z.string().min(1).optional().describe("text that ends the answer, and is not part of it"),
  cache: z.enum(cacheTypes).default("f32").describe("dtype of the keys and values of earlier tokens (KV cache)"),
};

export interface Answer {
  text: string;
  ids: number[];
  /** Why it ended: a token that ends a turn, the limit of tokens, the end of the model's context, or the signal. */
  ended: "stop" | "length" | "context" | "interrupted";
}

export interface AnswerOptions extends GenerateOptions {
  maxNewTokens: number;
  /** The text goes on where the prompt ends; otherwise it stands for itself, without white space around it. */
  continues: boolean;
  /** Text that ends the answer, and is not part of it. */
  stop?: string | undefined;
  /** Aborted between two tokens. */
  signal?: AbortSignal;
  /** Gets the text piece by piece. */
  onText?: (piece: string) => void;
}

/** Generates after `prompt` and returns the whole when it has ended. */
export async function answer(
  { model, tokenizer }: { model: Model; tokenizer: Tokenizer },
  prompt: Int32Array,
  { continues, signal, onText, stop, ...options }: AnswerOptions,
): Promise<Answer> {
  const stream = tokenizer.decodeStream();
  // A tokenizer may write a word differently where a text begins: the stream must have seen what stands before.
  if (continues) for (const id of prompt) stream.push(id);
  const ids: number[] = [];
  let text = "";
  let held = ""; // white space that ends the text so far
  const add = (piece: string) => {
    const fresh = continues ? piece : text === "" ? piece.trimStart() : held + piece;
    const shown = continues ? fresh : fresh.trimEnd();
    held = continues ? "" : fresh.slice(shown.length);
    text += shown;
    if (shown !== "") onText?.(shown);
  };
  let ended: Answer["ended"] = "stop";
  const gate = new StopText(stop);
  for (const id of generate(model, prompt, options)) {
    ids.push(id);
    add(gate.push(stream.push(id)));
    if (gate.ended) break;
    await tick(); // lets signals and key presses through
    if (signal?.aborted) {
      ended = "interrupted";
      break;
    }
  }
  add(gate.push(stream.end()) + gate.end());
  if (gate.ended) return { text, ids, ended };
  if (ended === "stop" && ids.length === options.maxNewTokens) ended = "length";
  else if (ended === "stop" && prompt.length + ids.length > model.config.maxPositions) ended = "context";
  return { text, ids, ended };
}

/** What `generate` takes of the sampling options. */
export function sampling(options: z.output<z.ZodObject<typeof samplingOptions>>, stopIds: Iterable<number>) {
  const { maxNewTokens, temperature, topK, topP, minP, repetitionPenalty, seed, stop, cache } = options;
  const random = seededUniform(seed);
  return { maxNewTokens, temperature, topK, topP, minP, repetitionPenalty, stop, cache, stopIds, random };
}
