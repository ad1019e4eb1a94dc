// The power goes at any instant of a save: whatever had not been synced may be lost, and the last good checkpoint is there.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { memoryFolder } from "../../../vitest.fuzz.js";
import { Disk, replay } from "./power.js";
import { type How, resume } from "./saves.js";
import { bundled } from "./shared.js";
import { noStrace } from "./strace.js";

const elements = 2000;
const folder = memoryFolder();

/** Saves step 3 after 1 and 2, and looks at every state of the disk that losing power on the way may leave. */
function statesThatLose(how: How): { states: number; lost: string[]; done: number[] } {
  const dir = join(folder, how, "checkpoints");
  const after = join(folder, how, "after");
  const program = [process.execPath, bundled("save"), dir, how, String(elements)];
  for (let step = 1; step <= 2; step++) expect(spawnSync(program[0]!, program.slice(1)).status).toBe(0);
  const disk = new Disk(dir);
  const seen = new Set<string>();
  const lost: string[] = [];
  let states = 0;
  const status = replay(disk, program, (call) => {
    states += disk.crashes(after, seen, (what) => {
      try {
        const step = resume(after, how, elements);
        if (step < 2) throw new Error(`nothing newer than step ${step}`);
      } catch (error) {
        lost.push(`${call}; ${what}: ${(error as Error).message}`);
      }
    });
  });
  expect(status).toBe(0);
  // What a save that has returned is worth.
  const done = new Set<number>();
  if (lost.length === 0) disk.crashes(after, new Set(), () => done.add(resume(after, how, elements)));
  return { states, lost, done: [...done] };
}

const reason = noStrace();
describe.skipIf(reason !== undefined)(`power loss${reason ? ` (skipped: ${reason})` : ""}`, () => {
  test("at no instant of a save is the last good checkpoint lost, and a save that returned is safe", () => {
    const { states, lost, done } = statesThatLose("recipe");
    console.log(`recipe: ${states} states of the disk, ${lost.length} without a good checkpoint`);
    expect(lost).toEqual([]);
    expect(done).toEqual([3]);
    expect(states).toBeGreaterThan(40);
  });

  test("writing over the old files loses it: the model sees what it should", () => {
    const { states, lost } = statesThatLose("naive");
    console.log(`naive: ${states} states of the disk, ${lost.length} without a good checkpoint`);
    expect(lost.length).toBeGreaterThan(0);
  });
});
