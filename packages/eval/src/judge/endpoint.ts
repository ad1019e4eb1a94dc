// Chat completions from any OpenAI-compatible endpoint: time limit, retries, size limit, usage. The key comes from the
// environment when a request is made; it is not kept, written or shown.
import { EvaluationError } from "../errors.js";
import { backoffMs, retryAfterMs, sleep } from "./backoff.js";

export interface Endpoint {
  /** Up to and without `/chat/completions`, e.g. `https://api.openai.com/v1` or `http://127.0.0.1:8080/v1`. */
  baseUrl: string;
  model: string;
  /** Name of the environment variable with the API key; null sends none. Default OPENAI_API_KEY. */
  apiKeyEnv?: string | null;
  /** Time limit of one attempt, from sending to the last byte of the reply, milliseconds. */
  timeoutMs?: number;
  /** Attempts after the first. */
  retries?: number;
  /** First and longest wait between attempts. A Retry-After of the server is obeyed up to the longest. */
  backoffMs?: number;
  maxBackoffMs?: number;
  /** Money per million tokens, any currency, for the cost shown. */
  price?: { input: number; output: number };
}

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Sampling {
  temperature?: number;
  topP?: number;
  maxTokens?: number;
}

export interface Usage {
  inputTokens: number;
  outputTokens: number;
}

export interface Reply {
  text: string;
  /** As the server counted it; null when it did not say. */
  usage: Usage | null;
  attempts: number;
}

const MAX_REPLY_BYTES = 8 * 1024 * 1024;

/** A failed attempt. `retry` false: trying again cannot help. `waitMs`: what the server asked for. */
interface Failure {
  message: string;
  retry: boolean;
  waitMs?: number;
}

/**
 * One chat completion. Retried: time-outs, broken connections, 408, 409, 425, 429, 5xx, and replies that are not a completion.
 * @throws EvaluationError KEY_MISSING, or ENDPOINT with the last failure; the signal's reason when `signal` aborts
 */
export async function chat(
  endpoint: Endpoint,
  messages: readonly Message[],
  { temperature, topP, maxTokens, signal }: Sampling & { signal?: AbortSignal } = {},
): Promise<Reply> {
  const { retries = 5 } = endpoint;
  const url = new URL(`${endpoint.baseUrl.replace(/\/+$/, "")}/chat/completions`);
  const key = readKey(endpoint, url);
  const body = JSON.stringify({ model: endpoint.model, messages, temperature, top_p: topP, max_tokens: maxTokens });
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const outcome = await attemptChat(endpoint, url, key, body, signal);
    if ("text" in outcome) return { ...outcome, attempts: attempt };
    signal?.throwIfAborted();
    if (!outcome.retry || attempt > retries) {
      const tried = attempt === 1 ? "" : ` (${attempt} attempts)`;
      throw new EvaluationError("ENDPOINT", redact(`${url.host}: ${outcome.message}${tried}`, key));
    }
    await sleep(backoffMs(endpoint, attempt, outcome.waitMs), signal);
  }
}

async function attemptChat(
  endpoint: Endpoint,
  url: URL,
  key: string | undefined,
  body: string,
  signal: AbortSignal | undefined,
): Promise<Omit<Reply, "attempts"> | Failure> {
  const { timeoutMs = 120_000 } = endpoint;
  const limit = AbortSignal.timeout(timeoutMs);
  const headers: Record<string, string> = { "content-type": "application/json", accept: "application/json" };
  if (key !== undefined) headers.authorization = `Bearer ${key}`;
  let status: number;
  let text: string;
  let retryAfter: string | null;
  try {
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      redirect: "error", // a key must not follow a redirect
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    status = response.status;
    retryAfter = response.headers.get("retry-after");
    text = await readLimited(response);
  } catch (error) {
    if (error instanceof EvaluationError) return { message: error.message, retry: false };
    if (limit.aborted) return { message: `no answer within ${timeoutMs} ms`, retry: true };
    const cause = (error as { cause?: { code?: string; message?: string } }).cause;
    return { message: cause?.code ?? cause?.message ?? (error as Error).message, retry: true };
  }
  if (status !== 200) {
    const retry = status >= 500 || [408, 409, 425, 429].includes(status);
    const waitMs = retryAfterMs(retryAfter);
    const message = `HTTP ${status} ${text.slice(0, 300).replace(/\s+/g, " ").trim()}`;
    return { message, retry, ...(waitMs === undefined ? {} : { waitMs }) };
  }
  return parseCompletion(text) ?? { message: "the reply is not a chat completion", retry: true };
}

function parseCompletion(text: string): Omit<Reply, "attempts"> | undefined {
  let value: {
    choices?: { message?: { content?: unknown } }[];
    usage?: { prompt_tokens?: unknown; completion_tokens?: unknown } | null;
  } | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const content = Array.isArray(value?.choices) ? value.choices[0]?.message?.content : undefined;
  if (typeof content !== "string") return undefined;
  const count = (x: unknown) => (Number.isSafeInteger(x) && (x as number) >= 0 ? (x as number) : undefined);
  const inputTokens = count(value?.usage?.prompt_tokens);
  const outputTokens = count(value?.usage?.completion_tokens);
  const usage = inputTokens === undefined || outputTokens === undefined ? null : { inputTokens, outputTokens };
  return { text: content, usage };
}

async function readLimited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_REPLY_BYTES) throw new EvaluationError("TOO_LARGE", `a reply of more than ${MAX_REPLY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function readKey(endpoint: Endpoint, url: URL): string | undefined {
  const name = endpoint.apiKeyEnv === undefined ? "OPENAI_API_KEY" : endpoint.apiKeyEnv;
  if (name === null) return undefined;
  const key = process.env[name];
  if (!key)
    throw new EvaluationError(
      "KEY_MISSING",
      `set ${name} to the API key of ${url.host}, or apiKeyEnv: null to send none`,
    );
  const local = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (url.protocol !== "https:" && !local) {
    throw new EvaluationError("ENDPOINT", `${url.host}: a key is only sent over https, or to this machine`);
  }
  return key;
}

/** A server may echo the key in its error. */
function redact(message: string, key: string | undefined): string {
  return key === undefined ? message : message.replaceAll(key, "[key]");
}
