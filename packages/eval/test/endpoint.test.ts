// The HTTP side of judging against a real server on this machine: keys, retries, time limits, damaged replies.
import { expect, onTestFinished, test } from "vitest";
import { chat } from "../src/index.js";
import { backoffMs, retryAfterMs, sleep } from "../src/judge/backoff.js";
import { mockServer, quick } from "./mock-server.js";
import { failure } from "./shared.js";

const hello = [{ role: "user" as const, content: "hello" }];

function setKey(name: string, value: string): void {
  process.env[name] = value;
  onTestFinished(() => void delete process.env[name]);
}

test("a completion: path, settings, usage", async () => {
  const server = await mockServer(({ body }) => `you said ${body.messages[0]!.content}`);
  const endpoint = { ...quick, baseUrl: `${server.baseUrl}/` };
  expect(await chat(endpoint, hello, { temperature: 0.2, maxTokens: 7 })).toEqual({
    text: "you said hello",
    usage: { inputTokens: 100, outputTokens: 10 },
    attempts: 1,
  });
  expect(server.seen[0]).toEqual({
    path: "/v1/chat/completions",
    authorization: undefined,
    body: { model: "judge-1", messages: hello, temperature: 0.2, max_tokens: 7 },
  });
});

test("usage that is missing or odd is null", async () => {
  for (const usage of [null, { prompt_tokens: -1, completion_tokens: 2 }, { prompt_tokens: "3" }]) {
    const server = await mockServer(() => "x", usage);
    expect((await chat({ ...quick, baseUrl: server.baseUrl }, hello)).usage).toBeNull();
  }
});

test("the key comes from the environment, goes to the server, and into no error", async () => {
  const key = "sk-test-3f9c0a";
  setKey("QLORA_TEST_KEY", key);
  const server = await mockServer(({ authorization }, response) => {
    response.writeHead(401).end(`bad key ${authorization} and ${key}`);
    return undefined;
  });
  const endpoint = { ...quick, baseUrl: server.baseUrl, apiKeyEnv: "QLORA_TEST_KEY" };
  const error = await failure("ENDPOINT", () => chat(endpoint, hello));
  expect(server.seen).toMatchObject([{ authorization: `Bearer ${key}` }]); // once: a 401 is not retried
  expect(error.message).toMatch(/HTTP 401 bad key Bearer \[key\] and \[key\]$/);
  expect(JSON.stringify([error, error.stack, error.cause])).not.toContain(key);
});

test("a missing key is named, and a key is not sent in the clear", async () => {
  expect(
    (
      await failure("KEY_MISSING", () =>
        chat({ model: "m", baseUrl: "https://example.invalid/v1", apiKeyEnv: "QLORA_NO_SUCH_KEY" }, hello),
      )
    ).message,
  ).toMatch("set QLORA_NO_SUCH_KEY to the API key of example.invalid");
  setKey("QLORA_TEST_KEY", "secret");
  expect(
    (
      await failure("ENDPOINT", () =>
        chat({ model: "m", baseUrl: "http://example.invalid/v1", apiKeyEnv: "QLORA_TEST_KEY" }, hello),
      )
    ).message,
  ).toMatch("only sent over https");
});

test("429 and 5xx are tried again, Retry-After is obeyed", async () => {
  const times: number[] = [];
  const server = await mockServer((_, response, count) => {
    times.push(performance.now());
    if (count === 1) response.writeHead(429, { "retry-after": "0.2" }).end("slow down");
    else if (count === 2) response.writeHead(500).end("oops");
    else if (count === 3) response.writeHead(503).end();
    else return "done";
    return undefined;
  });
  const reply = await chat({ ...quick, maxBackoffMs: 5000, baseUrl: server.baseUrl }, hello);
  expect(reply).toMatchObject({ text: "done", attempts: 4 });
  expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(195);
});

test("after the last retry the last failure is reported", async () => {
  const server = await mockServer((_, response) => void response.writeHead(502).end("bad\ngateway"));
  const error = await failure("ENDPOINT", () => chat({ ...quick, retries: 2, baseUrl: server.baseUrl }, hello));
  expect(server.seen.length).toBe(3);
  expect(error.message).toMatch(/127\.0\.0\.1:\d+: HTTP 502 bad gateway \(3 attempts\)/);
});

test.each([400, 403, 404, 422])("%i is not tried again", async (status) => {
  const server = await mockServer((_, response) => void response.writeHead(status).end());
  await failure("ENDPOINT", () => chat({ ...quick, baseUrl: server.baseUrl }, hello));
  expect(server.seen.length).toBe(1);
});

test("replies that are no completion are tried again", async () => {
  const bodies = [
    "",
    "{",
    "[]",
    "null",
    '{"choices": []}',
    '{"choices": [{"message": {"content": 3}}]}',
    '{"error": "x"}',
  ];
  const server = await mockServer((_, response, count) => {
    if (count > bodies.length) return "fine";
    response.writeHead(200).end(bodies[count - 1]);
    return undefined;
  });
  expect(await chat({ ...quick, retries: 7, baseUrl: server.baseUrl }, hello)).toMatchObject({
    text: "fine",
    attempts: 8,
  });
});

test("a connection that breaks in the middle is tried again", async () => {
  const server = await mockServer((_, response, count) => {
    if (count > 2) return "whole";
    response.writeHead(200, { "content-length": "1000" }).write('{"choi');
    setTimeout(() => response.destroy(), 5);
    return undefined;
  });
  expect(await chat({ ...quick, baseUrl: server.baseUrl }, hello)).toMatchObject({ text: "whole", attempts: 3 });
});

test("a server that does not answer, or dribbles, meets the time limit", async () => {
  const server = await mockServer((_, response, count) => {
    if (count === 1) return undefined; // never answers
    response.writeHead(200).write("{");
    const timer = setInterval(() => response.write(" "), 10);
    response.on("close", () => clearInterval(timer));
    return undefined;
  });
  const error = await failure("ENDPOINT", () =>
    chat({ ...quick, timeoutMs: 150, retries: 1, baseUrl: server.baseUrl }, hello),
  );
  expect(error.message).toMatch("no answer within 150 ms (2 attempts)");
});

test("an endless reply is cut off", async () => {
  const server = await mockServer((_, response) => {
    const block = Buffer.alloc(1 << 20, 0x20);
    const more = () => {
      while (!response.destroyed && response.write(block));
      if (!response.destroyed) response.once("drain", more);
    };
    response.writeHead(200);
    more();
    return undefined;
  });
  const error = await failure("ENDPOINT", () => chat({ ...quick, baseUrl: server.baseUrl }, hello));
  expect(error.message).toMatch("a reply of more than 8388608 bytes");
});

test("redirects are not followed", async () => {
  const other = await mockServer(() => "stolen");
  const server = await mockServer(
    (_, response) => void response.writeHead(307, { location: `${other.baseUrl}/chat/completions` }).end(),
  );
  await failure("ENDPOINT", () => chat({ ...quick, retries: 1, baseUrl: server.baseUrl }, hello));
  expect(other.seen).toEqual([]);
});

test("nothing listening; aborting", async () => {
  const error = await failure("ENDPOINT", () =>
    chat({ ...quick, retries: 1, baseUrl: "http://127.0.0.1:1/v1" }, hello),
  );
  expect(error.message).toMatch(/127\.0\.0\.1:1: .*\(2 attempts\)/);
  const server = await mockServer((_, response) => void response.writeHead(500).end());
  const stop = new AbortController();
  const running = chat({ ...quick, retries: 1000, backoffMs: 30, baseUrl: server.baseUrl }, hello, {
    signal: stop.signal,
  });
  setTimeout(() => stop.abort(new Error("enough")), 60);
  await expect(running).rejects.toThrow("enough");
  const asked = server.seen.length;
  await sleep(150);
  expect(server.seen.length).toBeLessThanOrEqual(asked + 1); // one may have been on its way
});

test("back-off doubles up to its limit, with jitter; Retry-After as seconds or date", () => {
  const settings = { backoffMs: 100, maxBackoffMs: 1000 };
  expect([1, 2, 3, 4, 5, 50].map((n) => backoffMs(settings, n, 0, () => 1))).toEqual([100, 200, 400, 800, 1000, 1000]);
  expect(backoffMs(settings, 1, 0, () => 0)).toBe(50);
  expect(backoffMs(settings, 1, 700, () => 0)).toBe(700);
  expect(backoffMs(settings, 1, 7000, () => 0)).toBe(1000);
  expect(retryAfterMs("2")).toBe(2000);
  expect(retryAfterMs("Thu, 01 Jan 1970 00:00:10 GMT", 4000)).toBe(6000);
  expect(retryAfterMs("Thu, 01 Jan 1970 00:00:10 GMT", 40_000)).toBe(0);
  expect([null, "soon", ""].map((h) => retryAfterMs(h))).toEqual([undefined, undefined, undefined]);
});
