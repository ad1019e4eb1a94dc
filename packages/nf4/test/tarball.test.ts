// The published shape: `pnpm pack`, installed offline into an empty project with nothing else, works as ES module, as CommonJS and
// with its types; with the platform package beside it, its addon runs.
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quantize } from "../src/index.js";
import { native } from "../src/native.js";

const own = new URL("..", import.meta.url).pathname;
const root = join(own, "../..");
const bin = join(root, "node_modules/.bin");
const work = mkdtempSync(join(tmpdir(), "nf4-tarball-"));
afterAll(() => rmSync(work, { recursive: true }));

const run = (cwd: string, command: string, ...args: string[]) =>
  execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}`, npm_config_update_notifier: "false" },
  });

/** dist is as new as every source (turbo builds before it tests; by hand this builds). */
function built(): boolean {
  const folders = [join(own, "src"), join(own, "../cuda-runtime/src")];
  const sources = folders.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)));
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  return ["index.js", "index.cjs", "index.d.ts", "index.d.cts", "browser.js"].every(
    (file) => existsSync(join(own, "dist", file)) && statSync(join(own, "dist", file)).mtimeMs >= newest,
  );
}

function pack(folder: string, to: string): string {
  run(folder, "pnpm", "pack", "--pack-destination", to);
  return join(to, readdirSync(to).find((file) => file.endsWith(".tgz"))!);
}

function project(name: string, ...tarballs: string[]): string {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version: "1.0.0", private: true }));
  run(folder, "npm", "install", "--offline", "--no-audit", "--no-fund", ...tarballs);
  return folder;
}

const example = `
const weights = Float32Array.from({ length: 640 }, (_, i) => Math.sin(i));
const q = nf4.quantize(weights, { shape: [10, 64] });
const y = nf4.matmul(weights.subarray(0, 64), q);
console.log(JSON.stringify([nf4.simd(), [...q.codes.subarray(0, 4)], nf4.bytes(q), nf4.dequantize(q).length, y.length]));`;

let tarball: string;
beforeAll(() => {
  if (!built()) run(own, "tsup");
  tarball = pack(own, mkdtempSync(join(work, "packed-")));
}, 300_000);

test("it holds what it needs and depends on nothing", () => {
  const files = run(work, "tar", "-tzf", tarball).trim().split("\n");
  for (const file of [
    "LICENSE",
    "README.md",
    "package.json",
    "dist/index.js",
    "dist/index.cjs",
    "dist/index.d.ts",
    "dist/index.d.cts",
    "dist/browser.js",
  ])
    expect(files).toContain(`package/${file}`);
  expect(
    files.filter((file) => !/^package\/(dist\/[^/]+|LICENSE|README\.md|package\.json|CHANGELOG\.md)$/.test(file)),
  ).toEqual([]);
  const manifest = JSON.parse(run(work, "tar", "-xzOf", tarball, "package/package.json"));
  for (const field of ["dependencies", "peerDependencies", "optionalDependencies"])
    expect(manifest[field]).toBeUndefined();
  for (const script of ["preinstall", "install", "postinstall", "prepare"])
    expect(manifest.scripts?.[script]).toBeUndefined();
});

test("an empty project: ES module, CommonJS, types", () => {
  const folder = project("alone", tarball);
  expect(readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["@qlora"]);
  expect(readdirSync(join(folder, "node_modules/@qlora"))).toEqual(["nf4"]);
  writeFileSync(join(folder, "a.mjs"), `import * as nf4 from "@qlora/nf4";${example}`);
  writeFileSync(join(folder, "b.cjs"), `const nf4 = require("@qlora/nf4");${example}`);
  const weights = Float32Array.from({ length: 640 }, (_, i) => Math.sin(i));
  const { codes } = quantize(weights, { shape: [10, 64] });
  const expected = ["reference", [...codes.subarray(0, 4)], 320 + 10 + 4 + 4, 640, 10];
  expect(JSON.parse(run(folder, "node", "a.mjs"))).toEqual(expected);
  expect(JSON.parse(run(folder, "node", "b.cjs"))).toEqual(expected);

  const typed = `
const q: QuantizedTensor = quantize(new Float32Array(64), { shape: [64] });
const a: Float32Array = dequantize(q);
const b: Uint16Array = dequantize(q, { dtype: "bf16" });
// @ts-expect-error the codebook has no such name
quantize(a, { shape: [64], codebook: "nf5" });
export { a, b };`;
  writeFileSync(
    join(folder, "a.mts"),
    `import { dequantize, type QuantizedTensor, quantize } from "@qlora/nf4";${typed}`,
  );
  writeFileSync(
    join(folder, "b.cts"),
    `import { dequantize, type QuantizedTensor, quantize } from "@qlora/nf4";${typed}`,
  );
  process.env.QLORA_THREADS = "many";
  try {
    expect(() => run(folder, "node", "b.cjs")).toThrow(
      'QLORA_THREADS must be a whole number from 1 to 1024, got "many"',
    );
  } finally {
    delete process.env.QLORA_THREADS;
  }

  const shared = { noEmit: true, strict: true, skipLibCheck: false, types: [], target: "es2022", lib: ["es2022"] };
  const check = (files: string[], options: object) => {
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ files, compilerOptions: { ...shared, ...options } }));
    run(folder, "tsc");
  };
  check(["a.mts", "b.cts"], { module: "nodenext" });
  check(["a.mts"], { module: "esnext", moduleResolution: "bundler", customConditions: ["browser"] });
});

test.skipIf(!native)("with the platform package: its addon, and the same bytes", () => {
  const target = `${process.platform}-${process.arch}`;
  const platform = join(work, "platform");
  run(root, "node", "scripts/pack-native.mjs", "--out", platform);
  const manifest = JSON.parse(readFileSync(join(platform, "package.json"), "utf8"));
  expect(manifest).toMatchObject({ name: `@qlora/native-${target}`, os: [process.platform], cpu: [process.arch] });
  run(work, "tar", "-xzf", tarball);
  run(root, "node", "scripts/pack-native.mjs", "--link", target, join(work, "package"));
  const linked = mkdtempSync(join(work, "linked-"));
  run(work, "npm", "pack", "./package", "--pack-destination", linked);
  const both = project(
    "both",
    join(linked, readdirSync(linked)[0]!),
    pack(platform, mkdtempSync(join(work, "packed-"))),
  );
  writeFileSync(join(both, "a.mjs"), `import * as nf4 from "@qlora/nf4";${example}`);
  const [simd, ...rest] = JSON.parse(run(both, "node", "a.mjs"));
  expect(simd).toBe(native!.simd());
  const [reference, ...others] = JSON.parse(
    execFileSync("node", ["a.mjs"], { cwd: both, encoding: "utf8", env: { ...process.env, QLORA_SIMD: "reference" } }),
  );
  expect(reference).toBe("reference");
  expect(rest).toEqual(others);
  // An optional dependency that is not to be had does not hinder the installation.
  const without = project("without", join(linked, readdirSync(linked)[0]!));
  expect(readdirSync(join(without, "node_modules/@qlora"))).toEqual(["nf4"]);
});
