// Runs one suite on one device in this process and prints its result as JSON: node run.mjs <suite> <device>.

import { suites } from "gpu-check:suites";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { startTests } from "@vitest/runner";

const [name, device] = process.argv.slice(2);
const runner = {
  config: {
    root: process.cwd(),
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: undefined,
    allowOnly: false,
    sequence: { seed: 1, hooks: "stack", setupFiles: "list" },
    maxConcurrency: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: false,
  },
  importFile: () => suites[name](device === "cuda-emu" ? device : Number(device)),
};
const [file] = await startTests([pathToFileURL(name).pathname], runner);

const tests = [];
const walk = (task, path) => {
  const at = [...path, task.name];
  if (task.type === "suite") for (const child of task.tasks) walk(child, at);
  else tests.push({ name: at.join(" > "), state: task.result?.state ?? "skipped", errors: messages(task) });
};
const messages = (task) => (task.result?.errors ?? []).map(({ message }) => message);
for (const task of file.tasks) walk(task, []);
const count = (state) => tests.filter((test) => test.state === state).length;
const failed = tests.filter(({ state }) => state === "fail");
const result = { passed: count("pass"), failed: failed.length, failures: failed, errors: messages(file) };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exitCode = failed.length > 0 || result.errors.length > 0 || tests.length === 0 ? 1 : 0;
