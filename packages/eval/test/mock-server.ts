// A chat-completions server on this machine whose answers a test scripts: content, errors, malformed and slow replies.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface Seen {
  path: string;
  authorization: string | undefined;
  body: {
    model: string;
    messages: { role: string; content: string }[];
    temperature?: number;
    max_tokens?: number;
    top_p?: number;
  };
}

/** What the server does with one request: a reply's text, or anything with the raw response. */
export type Behaviour = (seen: Seen, response: ServerResponse, count: number) => string | undefined | Promise<string>;

/** Starts the server; it stops when the test ends. */
export async function mockServer(
  behaviour: Behaviour,
  usage: object | null = { prompt_tokens: 100, completion_tokens: 10 },
) {
  const seen: Seen[] = [];
  const state = { active: 0, mostActive: 0 };
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    state.active++;
    state.mostActive = Math.max(state.mostActive, state.active);
    response.on("close", () => state.active--);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const entry: Seen = {
      path: request.url!,
      authorization: request.headers.authorization,
      body: JSON.parse(Buffer.concat(chunks).toString()),
    };
    seen.push(entry);
    const content = await behaviour(entry, response, seen.length);
    if (content !== undefined) {
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ choices: [{ message: { role: "assistant", content } }], ...(usage ? { usage } : {}) }),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}/v1`, seen, state };
}

/** An endpoint setting that keeps tests quick. */
export const quick = { model: "judge-1", apiKeyEnv: null, backoffMs: 2, maxBackoffMs: 10 };
