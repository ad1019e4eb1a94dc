// A peer in a process of its own: that it does nothing between its runs, and what is said where it fails.
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

test("a peer does nothing between its runs", { skip: process.platform === "win32" }, async () => {
  const { seconds, stop } = childPeer("ticking", [process.execPath, "-e", ticking], {});
  await seconds!();
  await sleep(500);
  expect(await seconds!()).toBeLessThan(50);
  stop!();
});

test("one that ends early or cannot be started is said to", async () => {
  const { seconds } = childPeer("ended", [process.execPath, "-e", "0"], {});
  await expect(seconds!()).rejects.toThrow(/ended early; run/);
  const missing = childPeer("missing", ["/nowhere/peer"], {});
  await expect(missing.seconds!()).rejects.toThrow(/could not be started: .*ENOENT/);
});
