// argv by a schema: every way to write a flag, and what generated argument lists do.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { parseFlags, readFlags } from "../src/arguments.js";
import { UsageError } from "../src/errors.js";
import type { Shape } from "../src/flags.js";

const schema = z.strictObject({
  name: z.string(),
  size: z.number().int().min(1).max(9).default(3),
  kind: z.enum(["plain", "fancy"]).default("plain"),
  block: z.literal([32, 64]).default(64),
  deep: z.boolean().default(true),
  json: z.boolean().default(false),
  maybe: z.boolean().optional(),
});
const parse = (...argv: string[]) => parseFlags(schema, argv, ["name"]);

test("values, defaults, negatives, positionals", () => {
  expect(parse("--name", "a")).toEqual({ name: "a", size: 3, kind: "plain", block: 64, deep: true, json: false });
  expect(parse("a", "--size=4", "--no-deep", "--json", "--block", "32")).toMatchObject({
    name: "a",
    size: 4,
    deep: false,
    json: true,
    block: 32,
  });
  expect(parse("--name", "-1 is a name", "--no-maybe", "--json=false")).toMatchObject({
    name: "-1 is a name",
    maybe: false,
    json: false,
  });
  expect(parse("--name=--json").name).toBe("--json");
  expect(parse("--name", "a", "--size", "1", "--size", "2").size).toBe(2);
  expect(parse("--", "--name").name).toBe("--name");
});

test("every mistake is one line that names the flag", () => {
  for (const [argv, says] of [
    [["--size", "0"], "--size must be at least 1, got 0"],
    [["--size", "10"], "--size must be at most 9, got 10"],
    [["--size", ""], '--size must be a number, got ""'],
    [["--kind", "fnacy"], '--kind must be one of plain, fancy, got "fnacy"; did you mean fancy?'],
    [["--block", "48"], "--block must be one of 32, 64, got 48"],
    [["--name"], "--name needs a value"],
    [["--no-json=true"], "unknown option --no-json=true"],
    [["a", "b"], "unexpected argument b"],
    [["a", "--name", "b"], "name is given twice"],
    [[], "--name is missing"],
  ] as const)
    expect(() => parse(...argv), argv.join(" ")).toThrow(says);
});

test("any list of words gives options that the schema accepts, or a UsageError of one line", () => {
  const word = fc.oneof(
    fc.constantFrom(
      "--name",
      "--size",
      "--kind",
      "--no-deep",
      "--json",
      "--",
      "-",
      "--size=3",
      "--kind=fancy",
      "5",
      "fancy",
    ),
    fc.string({ maxLength: 8 }),
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
      try {
        schema.parse(parse(...argv));
        accepted++;
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
      }
    }),
    { numRuns: 3000 },
  );
  expect(accepted).toBeGreaterThan(50);
});

test("what is written is what is read", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 9 }), fc.boolean(), (name, size, deep) => {
      const argv = [`--name=${name}`, `--size=${size}`, deep ? "--deep" : "--no-deep"];
      expect(readFlags(schema.shape as unknown as Shape, argv)).toEqual({ name, size, deep });
    }),
  );
});
