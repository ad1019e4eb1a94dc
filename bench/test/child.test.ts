// A peer in a process of its own: what it answers, and that one which works on by itself does nothing between its runs.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { childPeer } from "../src/child.js";

/** Says how often a timer of a millisecond has fired since the last answer. */
const ticking = `
let ticks = 0;
setInterval(() => ticks++, 1);
let job;
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  console.log(job ? ticks : JSON.stringify({ ready: true }));
  job ??= JSON.parse(line);
  ticks = 0;
}).on("close", () => process.exit());`;

const peer = (worksOn: boolean) => childPeer("ticking", [process.execPath, "-e", ticking], {}, { worksOn });

test("a peer goes on between its runs unless it is stopped", { skip: process.platform === "win32" }, async () => {
  for (const worksOn of [false, true]) {
    const { seconds, stop } = peer(worksOn);
    await seconds!();
    await sleep(500);
    const ticks = await seconds!();
    stop!();
    if (worksOn) expect(ticks).toBeLessThan(50);
    else expect(ticks).toBeGreaterThan(50);
  }
});

test("one that ends early is named, with the command", async () => {
  const { seconds } = childPeer("ended", [process.execPath, "-e", "0"], {});
  await expect(seconds!()).rejects.toThrow(/ended ended early; run/);
});
