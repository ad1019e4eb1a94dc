// Beside the reference reader: what is accepted here, it accepts too, and sees the same tensors.
// Frozen verdicts always; with QLORA_PYTHON (a Python that has `safetensors`) fresh random ones, else that test says it is skipped.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openSafetensors, parseHeader, SafetensorsError, type TensorData, writeSafetensors } from "../src/index.js";
import { golden, temporaryFolder } from "./files.js";

type View = Record<string, [dtype: string, shape: number[]]>;

/** The tensors as parseHeader sees them, or the code of its refusal. */
function ours(bytes: Uint8Array): View | string {
  try {
    const { tensors } = parseHeader(bytes, bytes.length);
    return Object.fromEntries([...tensors.values()].map(({ name, dtype, shape }) => [name, [dtype, shape]]));
  } catch (error) {
    if (error instanceof SafetensorsError) return error.code;
    throw error;
  }
}

/** Refusals of ours where the reference accepts, by intent. */
const STRICTER = new Set(["DUP_KEY", "UNKNOWN_FIELD", "NAME", "JSON"]);

function compare(cases: { file: string; accepted: View | null }[]): { accepted: number; stricter: number } {
  const count = { accepted: 0, stricter: 0 };
  for (const { file, accepted } of cases) {
    const bytes = Buffer.from(file, "hex");
    const found = ours(bytes);
    const where = bytes.toString("latin1");
    if (typeof found === "object") {
      expect([where, found]).toEqual([where, accepted]);
      count.accepted++;
    } else if (accepted !== null) {
      expect([where, STRICTER.has(found) ? "" : found]).toEqual([where, ""]);
      count.stricter++;
    }
  }
  return count;
}

test("600 frozen verdicts of safetensors 0.8.0", () => {
  const count = compare(JSON.parse(readFileSync(golden("verdicts.json"), "utf8")));
  expect(count.accepted).toBeGreaterThan(60);
  expect(count.stricter).toBeLessThan(60);
});

const python = process.env.QLORA_PYTHON;
if (!python) console.warn("SKIPPED: the live comparison with Python's safetensors; set QLORA_PYTHON to run it");

test.skipIf(!python)("fresh verdicts of the installed reference", () => {
  const script = new URL("../../../conformance/safetensors_golden.py", import.meta.url).pathname;
  const seed = String(Math.floor(Math.random() * 2 ** 31));
  const runs = String(Math.ceil(Number(process.env.QLORA_FUZZ ?? 25_000) / 5));
  const cases = execFileSync(python!, [script, "verdicts", seed, runs], { encoding: "utf8", maxBuffer: 2 ** 30 });
  const count = compare(JSON.parse(cases));
  expect([seed, count.accepted > Number(runs) / 20]).toEqual([seed, true]);
});

test.skipIf(!python)("the reference reads what is written here", () => {
  const path = `${temporaryFolder()}/a.safetensors`;
  using source = openSafetensors(golden("dtypes.safetensors"));
  const tensors: TensorData[] = [...source.tensors.values()].map(({ name, dtype, shape }) => ({
    name: `copy of ${name}`,
    dtype,
    shape,
    data: () => source.read(name),
  }));
  writeSafetensors(path, tensors, { metadata: { format: "pt", b: "\u2028", a: "\u0001" } });
  const code = `
import sys, json, hashlib, safetensors
data = open(sys.argv[1], "rb").read()
views = {name: [v["dtype"], v["shape"], hashlib.sha256(v["data"]).hexdigest()] for name, v in safetensors.deserialize(data)}
print(json.dumps(views))`;
  const views = JSON.parse(execFileSync(python!, ["-c", code, path], { encoding: "utf8" }));
  const expected = JSON.parse(readFileSync(golden("expected.json"), "utf8")).dtypes as Record<
    string,
    { dtype: string; shape: number[]; sha256: string }
  >;
  expect(views).toEqual(
    Object.fromEntries(Object.entries(expected).map(([name, e]) => [`copy of ${name}`, [e.dtype, e.shape, e.sha256]])),
  );
});
