// node-llama-cpp as a peer, from the folder that QLORA_PEERS names (`npm install --prefix FOLDER node-llama-cpp`).
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { threads } from "@qlora/kernels";
import { childPeer, type Peer, unavailable } from "./child.js";
import { writeGguf } from "./gguf.js";
import type { Shape } from "./random-model.js";

const script = join(import.meta.dirname, "../llama_peer.mjs");
const contextSize = 2048;

/** Decodes one token, or with `prompt` reads that many. */
export function llamaPeer(shape: Shape, prompt: number): Peer {
  const name = "llama.cpp, Q4_0 and f32 head";
  const peers = process.env.QLORA_PEERS;
  if (!peers) return unavailable(name, "QLORA_PEERS names no folder with node-llama-cpp");
  if (!existsSync(join(peers, "node_modules/node-llama-cpp")))
    return unavailable(name, `${peers} has no node-llama-cpp: npm install --prefix ${peers} node-llama-cpp`);
  const folder = mkdtempSync(join(tmpdir(), "qlora-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "model.gguf");
  const job = { peers: resolve(peers), path, threads: threads(), prompt, contextSize };
  const peer = childPeer(name, [process.execPath, script], job, () => writeGguf(path, shape, contextSize));
  return {
    ...peer,
    stop() {
      peer.stop?.();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
