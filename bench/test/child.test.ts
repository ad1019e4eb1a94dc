// A peer in a process of its own: that it does nothing between its runs, and what is said where it fails.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
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

test("a peer does nothing between its runs, though it would", { skip: process.platform === "win32" }, async () => {
  const command = [process.execPath, "-e", ticking] as const;
  const { seconds, stop } = childPeer("ticking", command, {});
  await seconds!();
  await sleep(500);
  expect(await seconds!()).toBeLessThan(50);
  stop!();

  const alone = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: alone.stdout })[Symbol.asyncIterator]();
  alone.stdin.write("{}\n");
  await lines.next();
  await sleep(500);
  alone.stdin.end("run\n");
  expect(Number((await lines.next()).value)).toBeGreaterThan(50);
});

test("one that ends early or cannot be started is said to", async () => {
  const { seconds } = childPeer("ended", [process.execPath, "-e", "0"], {});
  await expect(seconds!()).rejects.toThrow(/ended early; run/);
  const missing = childPeer("missing", ["/nowhere/peer"], {});
  await expect(missing.seconds!()).rejects.toThrow(/could not be started: .*ENOENT/);
});
