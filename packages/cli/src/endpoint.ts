// An OpenAI-compatible endpoint as options: where it is, its key by the name of a variable, patience, prices.
import type { Endpoint } from "@qlora/eval";
import { z } from "zod";
import { CommandError, UsageError } from "./errors.js";

export const endpointOptions = {
  apiKeyEnv: z
    .string()
    .min(1)
    .default("OPENAI_API_KEY")
    .describe("name of the environment variable that holds the endpoint's key; none sends no key"),
  concurrency: z.number().int().positive().max(256).default(4).describe("requests under way at once"),
  timeout: z.number().positive().max(86400).default(120).describe("seconds that an attempt may take"),
  retries: z.number().int().nonnegative().default(5).describe("attempts after the first"),
  maxFailures: z.number().int().positive().default(10).describe("give up after so many failed requests"),
  priceIn: z.number().nonnegative().optional().describe("price of a million tokens in, for the cost shown"),
  priceOut: z.number().nonnegative().optional().describe("price of a million tokens out"),
};

/** The endpoint at `url`. The key stays in its variable. @throws {UsageError | CommandError} before anything is asked */
export function endpointOf(
  url: string,
  model: string,
  options: z.output<z.ZodObject<typeof endpointOptions>>,
): Endpoint {
  const { apiKeyEnv, timeout, retries, priceIn, priceOut } = options;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError(`--endpoint is an address like https://api.openai.com/v1, got "${url}"`);
  // What is no variable's name may be the key itself: it is not repeated.
  if (!/^[A-Za-z_]\w*$/.test(apiKeyEnv))
    throw new UsageError("--api-key-env takes the name of an environment variable, not the key");
  if (apiKeyEnv !== "none" && !process.env[apiKeyEnv])
    throw new CommandError(`${apiKeyEnv} is not set: put the endpoint's key there, or say --api-key-env none`);
  if ((priceIn === undefined) !== (priceOut === undefined))
    throw new UsageError("--price-in and --price-out go together");
  return {
    baseUrl: url,
    model,
    apiKeyEnv: apiKeyEnv === "none" ? null : apiKeyEnv,
    timeoutMs: timeout * 1000,
    retries,
    ...(priceIn === undefined ? {} : { price: { input: priceIn, output: priceOut! } }),
  };
}
