// One archive for a GPU host that has neither npm nor a network: node, the addons, the suites and benches, and gpu-check to run them.
//
//   node scripts/pack-gpu.mjs [--out qlora-gpu.tar.xz]
//
// Addons are those of `pnpm build`, which compiles for every architecture where nvcc is.
// Suites are packages/*/test/cuda/*.suite.ts, benches *.bench.ts beside them: each exports a function of the device.
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);
const from = (name) => createRequire(require.resolve(name));
const { build } = from("tsup")("esbuild");
const { values } = parseArgs({
  options: { out: { type: "string", default: "qlora-gpu.tar.xz" } },
});
/** Bytes of an addon at most: packages on npm stay small, and kernels that grow beyond are compiled for too many shapes. */
const largest = 20e6;

const packages = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));
const stage = mkdtempSync(join(tmpdir(), "qlora-gpu-"));
const folder = join(stage, "qlora-gpu");
try {
  mkdirSync(join(folder, "build/Release"), { recursive: true });
  for (const path of packages.filter((path) => existsSync(join(path, "CMakeLists.txt")))) addons(path);
  node();
  await bundles();
  writeFileSync(join(folder, "gpu-check"), `#!/bin/sh\nexec "\${0%/*}/node" "\${0%/*}/check/main.mjs" "$@"\n`);
  chmodSync(join(folder, "gpu-check"), 0o755);
  const out = resolve(values.out);
  console.log(`packing ${values.out}`);
  execFileSync("tar", ["-cJf", out, "-C", stage, "qlora-gpu"], {
    env: { ...process.env, XZ_OPT: "-6 -T2" },
    stdio: "inherit",
  });
  console.log(
    `${values.out}: ${(statSync(out).size / 2 ** 20).toFixed(1)} MiB. On the GPU host: tar xJf ${values.out} && qlora-gpu/gpu-check`,
  );
} finally {
  rmSync(stage, { recursive: true, force: true });
}

/** The addons of a package. */
function addons(path) {
  const release = join(path, "build/Release");
  const built = existsSync(release) ? readdirSync(release).filter((name) => name.endsWith(".node")) : [];
  if (built.length === 0) throw new Error(`${relative(root, release)} has no addon: build it first (pnpm build)`);
  for (const name of built) {
    const { size } = statSync(join(release, name));
    if (size > largest)
      throw new Error(
        `${relative(root, join(release, name))} is ${(size / 1e6).toFixed(1)} MB; an addon is at most 20 MB`,
      );
    copyFileSync(join(release, name), join(folder, "build/Release", name));
  }
}

function node() {
  const target = join(folder, "node");
  copyFileSync(process.execPath, target);
  chmodSync(target, 0o755);
  if (spawnSync("strip", [target]).status !== 0) console.log("node is packed unstripped: there is no strip here");
}

/** The programs of gpu-check, each with all it needs in one file. */
async function bundles() {
  const found = (ending) =>
    packages.flatMap((path) => {
      const tests = join(path, "test/cuda");
      const names = existsSync(tests) ? readdirSync(tests).filter((name) => name.endsWith(ending)) : [];
      return names.map((name) => ({
        name: `${relative(join(root, "packages"), path)}/${name.slice(0, -ending.length)}`,
        path: join(tests, name),
      }));
    });
  const [suites, benches] = [found(".suite.ts"), found(".bench.ts")];
  const table = (list) =>
    `{${list.map(({ name, path }) => `${JSON.stringify(name)}: async (device) => (await import(${JSON.stringify(path)})).default(device)`)}}`;
  const commit = spawnSync("git", ["rev-parse", "HEAD"], { cwd: root, encoding: "utf8" }).stdout?.trim() ?? "";
  const modules = {
    suites: `export const suites = ${table(suites)};`,
    benches: `export const benches = ${table(benches)};`,
    names: `export const suites = ${JSON.stringify(suites.map(({ name }) => name))}, benches = ${JSON.stringify(benches.map(({ name }) => name))}, commit = ${JSON.stringify(commit)};`,
  };
  const vitest = from("vitest");
  const places = {
    name: "places",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^gpu-check:/ }, ({ path }) => ({ path: path.slice(10), namespace: "gpu-check" }));
      onLoad({ filter: /.*/, namespace: "gpu-check" }, ({ path }) => ({ contents: modules[path], resolveDir: root }));
      onResolve({ filter: /^vitest$/ }, () => ({ path: join(root, "scripts/gpu-check/vitest.mjs") }));
      onResolve({ filter: /^@vitest\/(expect|runner)$/ }, ({ path }) => ({ path: vitest.resolve(path) }));
      onResolve({ filter: /^@qlora\// }, ({ path }) => {
        const [, name, entry = "index"] = path.split("/");
        return { path: join(root, "packages", name, "src", `${entry}.ts`) };
      });
      // A test finds its golden files beside it: they are packed under the same path.
      onLoad({ filter: /packages\/[^/]+\/test\/.*\.ts$/ }, ({ path }) => {
        const place = `new URL(${JSON.stringify(`../${relative(root, path)}`)}, import.meta.url).href`;
        return {
          contents: readFileSync(path, "utf8").replaceAll("import.meta.url", place),
          loader: "ts",
          resolveDir: dirname(path),
        };
      });
    },
  };
  const check = join(folder, "check");
  await build({
    entryPoints: ["main", "run", "bench"].map((name) => join(root, `scripts/gpu-check/${name}.mjs`)),
    outdir: check,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
    plugins: [places],
    logLevel: "warning",
  });
  copyFileSync(join(root, "scripts/gpu-check/peers.py"), join(check, "peers.py"));
  for (const path of packages) {
    const golden = join(path, "test/golden");
    const target = join(folder, relative(root, golden));
    if (existsSync(join(path, "test/cuda")) && existsSync(golden)) cpSync(golden, target, { recursive: true });
  }
}
