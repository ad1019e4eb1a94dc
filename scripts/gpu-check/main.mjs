// gpu-check: the kernel suites on a GPU, then under compute-sanitizer, then the benches, beside PyTorch where it is; one JSON report.
//
//   ./gpu-check [--device 0 | cuda-emu] [--only TEXT] [--report gpu-report.json]

import { benches, commit, suites } from "gpu-check:names";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { arch, cpus, release } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { devices } from "@qlora/cuda-runtime";

const { values } = parseArgs({
  options: {
    device: { type: "string", default: "0" },
    only: { type: "string", default: "" },
    report: { type: "string", default: "gpu-report.json" },
  },
});
const device = values.device === "cuda" ? "0" : values.device;
const here = fileURLToPath(new URL(".", import.meta.url));
const say = (text) => process.stderr.write(`${text}\n`);

const found = devices({ emulation: true });
const described = found.devices.find(({ id }) => String(id) === device);
if (!described) {
  say(
    `gpu-check: there is no device ${device} here: ${found.reason ?? `devices are ${found.devices.map(({ id }) => id).join(", ")}`}`,
  );
  process.exit(2);
}

/** Runs a program; its last line of stdout is JSON. */
function run(program, args, env = {}) {
  const start = performance.now();
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    timeout: 30 * 60_000,
    env: { ...process.env, ...env },
  });
  const seconds = (performance.now() - start) / 1000;
  const last = stdout?.trim().split("\n").at(-1) ?? "";
  let result;
  try {
    result = JSON.parse(last);
  } catch {
    result = undefined;
  }
  const problem =
    error?.message ?? (signal ? `ended by ${signal}` : result ? undefined : (stderr || stdout).slice(-2000));
  return { status, seconds, result, ...(problem ? { problem } : {}), output: `${stdout}${stderr}` };
}
const installed = (program) => !spawnSync(program, ["--version"]).error;
const chosen = (names) => names.filter((name) => name.includes(values.only));

const report = {
  commit,
  date: new Date().toISOString(),
  machine: { cpu: cpus()[0]?.model, processors: cpus().length, arch: arch(), kernel: release(), node: process.version },
  driver: found.driverVersion,
  device: described,
  suites: {},
  sanitizer: {},
  benches: {},
};
const save = () => writeFileSync(values.report, `${JSON.stringify(report, null, 2)}\n`);
let failed = 0;

for (const name of chosen(suites)) {
  const { status, seconds, result, problem } = run(process.execPath, [join(here, "run.mjs"), name, device]);
  report.suites[name] = { ok: status === 0, seconds, ...result, ...(problem ? { problem } : {}) };
  if (status !== 0) failed++;
  say(
    `${status === 0 ? "ok    " : "FAILED"} ${name}: ${result ? `${result.passed} passed, ${result.failed} failed` : problem}, ${seconds.toFixed(1)} s`,
  );
  save();
}

if (device === "cuda-emu") report.sanitizer.skipped = "the device is emulated";
else if (!installed("compute-sanitizer")) report.sanitizer.skipped = "compute-sanitizer is not installed";
else
  for (const name of chosen(suites))
    for (const tool of ["memcheck", "racecheck"]) {
      const sanitize = ["--tool", tool, "--error-exitcode", "99", "--target-processes", "all", process.execPath];
      const { status, seconds, output } = run("compute-sanitizer", [...sanitize, join(here, "run.mjs"), name, device]);
      report.sanitizer[`${name} ${tool}`] = {
        ok: status === 0,
        seconds,
        ...(status === 0 ? {} : { output: output.slice(-4000) }),
      };
      if (status !== 0) failed++;
      say(`${status === 0 ? "ok    " : "FAILED"} ${name} under ${tool}, ${seconds.toFixed(1)} s`);
      save();
    }
if (report.sanitizer.skipped) say(`skipped compute-sanitizer: ${report.sanitizer.skipped}`);

for (const name of chosen(benches)) {
  const { status, seconds, result, problem } = run(process.execPath, [join(here, "bench.mjs"), name, device]);
  report.benches[name] = { ok: status === 0, seconds, rows: result, ...(problem ? { problem } : {}) };
  if (status !== 0) failed++;
  say(`${status === 0 ? "ok    " : "FAILED"} bench ${name}, ${seconds.toFixed(1)} s`);
  save();
}

const python = process.env.QLORA_PYTHON ?? "python3";
const peer = installed(python) ? run(python, [join(here, "peers.py"), device]) : { problem: `there is no ${python}` };
report.peers = peer.result ?? { skipped: peer.problem };
say(report.peers.skipped ? `skipped PyTorch: ${report.peers.skipped}` : "ok     PyTorch on the same shapes");
report.ok = failed === 0;
save();
say(`${failed === 0 ? "All passed" : `${failed} failed`}: ${values.report}`);
process.exitCode = failed === 0 ? 0 : 1;
