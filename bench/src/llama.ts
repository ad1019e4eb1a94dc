// node-llama-cpp as a peer, from the folder that QLORA_PEERS names.
import { join } from "node:path";
import { threads } from "@qlora/kernels";
import { type Peer, unavailable } from "./child.js";
import { ggufPeer, peersFolder } from "./peers-folder.js";
import type { Shape } from "./random-model.js";

const script = join(import.meta.dirname, "../llama_peer.mjs");

/** Decodes one token, beginning anew after `context` of them; or with `prompt` reads that many. */
export function llamaPeer(shape: Shape, { context, prompt = 0 }: { context: number; prompt?: number }): Peer {
  const name = "llama.cpp, Q4_0 and bf16 head";
  const found = peersFolder(["node-llama-cpp"]);
  if ("reason" in found) return unavailable(name, found.reason);
  return ggufPeer(name, [process.execPath, script], {
    shape,
    contextLength: context,
    kind: { architecture: "llama", type: "Q4_0", head: "BF16" },
    job: { peers: found.folder, threads: threads(), prompt, contextSize: context },
  });
}
