// Makes a folder, starts a peer, and waits.
import { childPeer } from "../../src/child.js";
import { scratchFolder } from "../../src/leaving.js";

const answering = `
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => console.log(line === "run" ? 1 : "{}"));
setInterval(() => {}, 1000);`;

scratchFolder();
await childPeer("answers", [process.execPath, "-e", answering], {}).seconds!();
setInterval(() => {}, 1000);
