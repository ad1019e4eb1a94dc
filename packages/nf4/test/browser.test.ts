// The browser bundle in headless Chromium gives Node's bytes. Chromium is taken from CHROMIUM or from the PATH (Debian: chromium);
// nothing is installed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { build } from "tsup";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as nf4 from "../src/index.js";
import { browser } from "../tsup.config.js";
import { gaussian } from "./random.js";

const executablePath = [process.env.CHROMIUM, "chromium", "chromium-browser", "google-chrome"]
  .filter((name) => name !== undefined && name !== "")
  .map((name) => spawnSync("sh", ["-c", 'command -v "$0"', name!], { encoding: "utf8" }).stdout.trim())
  .find((path) => path !== "");
if (!executablePath)
  console.warn("skipped: the browser bundle in Chromium (no chromium on the PATH, none in CHROMIUM)");

const page = `<!doctype html><title>nf4</title>
<script type="module">import * as nf4 from "/browser.js"; globalThis.nf4 = nf4;</script>`;
const folder = mkdtempSync(join(tmpdir(), "nf4-browser-"));
afterAll(() => rmSync(folder, { recursive: true }));
beforeAll(() => build({ ...browser, config: false, outDir: folder, silent: true }));
const bundle = () => readFileSync(join(folder, "browser.js"), "utf8");

test("the bundle imports nothing", () => {
  expect(bundle()).not.toMatch(/\bfrom\s*["']|\bimport\s*[("']|\brequire\(/);
});

test.skipIf(!executablePath)("codes, scales, values and products are Node's", async () => {
  const server = createServer((request, response) => {
    const script = request.url === "/browser.js";
    response.setHeader("content-type", script ? "text/javascript" : "text/html");
    response.end(script ? bundle() : page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const app = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
  try {
    const tab = await app.newPage();
    const failures: string[] = [];
    tab.on("pageerror", (error) => failures.push(String(error)));
    await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await tab.waitForFunction("globalThis.nf4");
    const n = 64 * 100 - 1;
    const weights = gaussian(n, 1);
    const settings: Omit<nf4.QuantizeOptions, "shape">[] = [
      {},
      { codebook: "bof4-s", blockSize: 32, doubleQuant: false },
      { codebook: "fp4", blockSize: 4096 },
      { scale: "mse-search", shift: "information" },
    ];
    const results = await tab.evaluate(
      async ({ weights, settings }) => {
        const { nf4: module } = globalThis as unknown as { nf4: typeof nf4 };
        const { quantize, quantizeAsync, dequantize, matmul, simd, bytes } = module;
        const x = new Float32Array(weights);
        const all = [];
        for (const options of settings) {
          const q = quantize(x, { shape: [x.length], ...options });
          const later = await quantizeAsync(x, { shape: [x.length], ...options });
          all.push({
            codes: [...q.codes],
            same: later.codes.every((byte, i) => byte === q.codes[i]),
            scales: [...(q.absmax ?? q.nested!.codes)],
            values: [...dequantize(q)],
            words: [...dequantize(q, { dtype: "bf16" })],
            bytes: bytes(q),
          });
        }
        const w = quantize(x.subarray(0, 640), { shape: [10, 64] });
        return { simd: simd(), all, y: [...matmul(x.subarray(0, 128), w)] };
      },
      { weights: [...weights], settings },
    );
    expect(failures).toEqual([]);
    expect(results.simd).toBe("reference");
    for (const [i, options] of settings.entries()) {
      const q = nf4.quantize(weights, { shape: [n], ...options });
      expect(results.all[i]).toEqual({
        codes: [...q.codes],
        same: true,
        scales: [...(q.absmax ?? q.nested!.codes)],
        values: [...nf4.dequantize(q)],
        words: [...nf4.dequantize(q, { dtype: "bf16" })],
        bytes: nf4.bytes(q),
      });
    }
    const w = nf4.quantize(weights.subarray(0, 640), { shape: [10, 64] });
    nf4.matmul(weights.subarray(0, 128), w).forEach((value, i) => {
      expect(Math.abs(value - results.y[i]!)).toBeLessThan(1e-4);
    });
  } finally {
    await app.close();
    server.close();
  }
});
