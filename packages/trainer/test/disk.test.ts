// The disk fails: a message with the bytes needed and free, the last good checkpoint as it was, and a run that can go on.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type CheckpointState, checkpointSteps, newestCheckpoint, writeCheckpoint } from "../src/index.js";
import { type Ended, folder, makeModel, result, tinyRun, train, trainCommand, trainProcess } from "./shared.js";
import { callsBelow, inject, noStrace } from "./strace.js";

/** A run that was stopped after step 3 (saved), and what it comes to when it goes on to step 4. */
async function begunRun(dir: string) {
  makeModel(join(dir, "model"), { layers: 1 });
  const options = tinyRun(dir, {
    maxSteps: 4,
    saveSteps: 1,
    resume: "auto",
    loraTargetModules: "q_proj",
    optimizerMemory: 1 / 64,
  });
  await train(options);
  const expected = result(options.output, 4);
  const stop = new AbortController();
  const begun = join(dir, "begun");
  await train({ ...options, output: begun }, stop.signal, (event) => {
    if (event.type === "step" && event.step === 3) stop.abort();
  });
  return { options, expected, begun };
}

function failure({ events }: Ended): { code?: string; message: string } {
  const last = events.at(-1);
  if (last?.type !== "error") throw new Error(`ended with ${JSON.stringify(last)}`);
  return last;
}

const reason = noStrace();
describe.skipIf(reason !== undefined)(`with strace${reason ? ` (skipped: ${reason})` : ""}`, () => {
  test.each(["ENOSPC", "EIO"])(
    "%s at every write, fsync, rename and mkdir of a save",
    { timeout: 600_000 },
    async (error) => {
      const dir = folder();
      const { options, expected, begun } = await begunRun(dir);
      const output = join(dir, "run-under-test");
      const restore = () => {
        rmSync(output, { recursive: true, force: true });
        cpSync(begun, output, { recursive: true });
      };
      restore();
      const calls = callsBelow(output, trainCommand({ ...options, output })).filter(
        ({ name, line }) =>
          /checkpoints\/\.tmp-|log\.jsonl|fsync\(.*checkpoints>/.test(line) &&
          name !== "ftruncate" &&
          name !== "unlink" &&
          name !== "rmdir",
      );
      expect(calls.length).toBeGreaterThan(15);
      let failed = 0;
      for (const call of calls) {
        restore();
        const ended = trainProcess({ ...options, output }, { before: inject(call, `error=${error}`) });
        // Whatever fails, what was there is there: the checkpoint of step 3, or that of step 4 in full.
        const newest = newestCheckpoint(join(output, "checkpoints"), (message) => expect.fail(message));
        expect([3, 4], call.line).toContain(newest?.state.step);
        if (ended.status !== 0) {
          failed++;
          const { code, message } = failure(ended);
          expect(code, message).toMatch(/^(CHECKPOINT_WRITE|WRITE)$/);
          expect(message).toContain(error);
          expect(message).toMatch(
            code === "WRITE"
              ? /\d+ bytes are free/
              : /needs \d+ bytes, \d+ are free .*(step 3 is the newest|it is in place)/,
          );
        }
        await train({ ...options, output });
        expect(result(output, 4), call.line).toEqual(expected);
      }
      console.log(`${error}: ${calls.length} calls, ${failed} runs stopped, every one continued to the same bits`);
      expect(failed).toBeGreaterThan(calls.length * 0.8);
    },
  );
});

test("a limit on the size of files", async () => {
  const dir = folder();
  const { options, expected, begun } = await begunRun(dir);
  const ended = trainProcess(
    { ...options, output: begun },
    { before: ["bash", "-c", 'ulimit -f 4 && exec "$@"', "limited"] },
  );
  expect(ended.status).toBe(1);
  expect(failure(ended)).toMatchObject({
    code: "CHECKPOINT_WRITE",
    message: expect.stringMatching(/needs \d+ bytes, \d+ are free \(EFBIG.*step 3 is the newest/),
  });
  expect(checkpointSteps(join(begun, "checkpoints"))).toEqual([3, 2]);
  await train({ ...options, output: begun });
  expect(result(begun, 4)).toEqual(expected);
});

/** A file system of 3 MB, or undefined where this user may not mount one. */
function smallDisk(): string | undefined {
  const dir = folder();
  if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=3m", "tmpfs", dir]).status !== 0) return undefined;
  onTestFinished(() => void spawnSync("umount", ["-l", dir]));
  return dir;
}

test("a disk of 3 MB that fills up between two checkpoints", (context) => {
  const dir = smallDisk();
  if (!dir) return context.skip("no permission to mount a tmpfs");
  const checkpoints = join(dir, "checkpoints");
  const tensor = (name: string, value: number) => [
    { name, dtype: "F32" as const, shape: [100_000], data: new Float32Array(100_000).fill(value) },
  ];
  const state = (step: number): CheckpointState => ({
    version: 1,
    step,
    optimizerSteps: step,
    logBytes: 0,
    tokens: 0,
    simd: "",
    fingerprint: { configuration: {}, baseModel: "", data: "" },
  });
  const save = (step: number) =>
    writeCheckpoint(checkpoints, { weights: tensor("w", step), optimizer: tensor("m", step), state: state(step) }, 2);
  for (const step of [1, 2, 3]) save(step); // 0.8 MB each, three of them while the third is written
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(join(dir, "ballast"), new Uint8Array(bavail * bsize - 600_000));
  expect(() => save(4)).toThrow(
    /step-4 could not be written: it needs 800000 bytes, \d+ are free \(no space left on the disk\); step 3 is the newest/,
  );
  writeFileSync(join(dir, "ballast"), new Uint8Array(0));
  const newest = newestCheckpoint(checkpoints, (message) => expect.fail(message));
  expect(newest?.weights.get("w")?.[7]).toBe(3);
  save(4);
  expect(checkpointSteps(checkpoints)).toEqual([4, 3]);
});

test("a run that the disk cannot hold is refused before the model is loaded", async (context) => {
  const dir = smallDisk();
  if (!dir) return context.skip("no permission to mount a tmpfs");
  const options = tinyRun(folder(), { output: join(dir, "run"), loraR: 64, keepCheckpoints: 5 });
  const seen: string[] = [];
  const refused = train(options, undefined, ({ type }) => seen.push(type));
  await expect(refused).rejects.toMatchObject({
    code: "NO_SPACE",
    message: expect.stringMatching(/writes up to \d+ bytes, \d+ are free.*keep_checkpoints 2/),
  });
  expect(seen).toEqual(["data", "memory"]);
  expect(existsSync(options.output)).toBe(false);
});

test("an output that cannot be written is refused before anything is read", async () => {
  const dir = folder();
  writeFileSync(join(dir, "file"), "");
  mkdirSync(join(dir, "used"));
  writeFileSync(join(dir, "used/notes.txt"), "mine");
  const run = (output: string) => train(tinyRun(dir, { output, model: "/nowhere" }));
  await expect(run(join(dir, "file"))).rejects.toMatchObject({ code: "OUTPUT_EXISTS" });
  await expect(run(join(dir, "file/run"))).rejects.toMatchObject({ code: "NOT_WRITABLE" });
  await expect(run(join(dir, "used"))).rejects.toMatchObject({
    code: "OUTPUT_EXISTS",
    message: expect.stringMatching(/--resume auto/),
  });
});
