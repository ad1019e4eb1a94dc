// The fence around Jinja: no template hangs, exhausts memory or reaches into JavaScript.
import { describe, expect, test } from "vitest";
import { parseJinja } from "../src/jinja.js";
import { dataError } from "./shared.js";

const parse = (source: string) => parseJinja(source, { name: "test", path: "tokenizer_config.json" });
const render = (source: string, values: Record<string, unknown> = {}, limits = {}) =>
  parse(source).render(values, limits);

describe("budgets", () => {
  test.each([
    [
      "a loop in a loop",
      "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
      "TEMPLATE_BUDGET",
    ],
    [
      "empty loops",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "TEMPLATE_BUDGET",
    ],
    ["a long range", "{{ range(100000000) | length }}", "TEMPLATE_BUDGET"],
    ["a range without end", "{{ range(0, 5, 0) }}", "TEMPLATE_BUDGET"],
    ["a range backwards", "{{ range(0, -100000000, -1) }}", "TEMPLATE_BUDGET"],
    ["range of nothing sensible", "{{ range('a') }}", "TEMPLATE_BUDGET"],
    [
      "a text that doubles",
      "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(64) %}{% set n.s = n.s + n.s %}{% endfor %}",
      "TEMPLATE_OUTPUT",
    ],
    [
      "a list that doubles",
      "{% set n = namespace(s=[1]) %}{% for i in range(64) %}{% set n.s = n.s + n.s %}{% endfor %}",
      "TEMPLATE_OUTPUT",
    ],
    ["much output", `{% for i in range(900) %}${"0123456789012345".repeat(100)}{% endfor %}`, "TEMPLATE_OUTPUT"],
    ["recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "TEMPLATE_FAILED"],
  ] as const)("%s", (_, source, code) => {
    const started = performance.now();
    const error = dataError(code, () => render(source));
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(error.message).toMatch(/^tokenizer_config\.json: template test: /);
  });

  test("steps and output have limits of their own", () => {
    dataError("TEMPLATE_BUDGET", () => render("{% for i in range(9) %}{{ i }}{% endfor %}", {}, { maxSteps: 10 }));
    dataError("TEMPLATE_OUTPUT", () => render("{{ x }}", { x: "abcdef" }, { maxOutput: 5 }));
    dataError("TEMPLATE_BUDGET", () => render("{% for i in range(999) %}x{% endfor %}", {}, { maxMilliseconds: 0 }));
    expect(render("{{ x }}{{ x }}", { x: "a".repeat(2 ** 20) })).toHaveLength(2 ** 21);
  });

  test("size of the template", () => {
    dataError("TEMPLATE_TOO_LARGE", () => parse("x".repeat(70_000)));
    const started = performance.now();
    dataError("TEMPLATE_TOO_LARGE", () => parse(" ".repeat(60_000)));
    parse(`${" ".repeat(1000)}x`.repeat(64));
    expect(performance.now() - started).toBeLessThan(10_000);
    dataError("TEMPLATE_SYNTAX", () => parse(`{{ ${"(".repeat(30_000)} }}`));
  });
});

test.each(["{% if %}", "{{ 'a }}", "{% for x %}{% endfor %}", "{% nope %}", "{{ a b }}", "{%"])(
  "%s is not Jinja",
  (source) => {
    expect(dataError("TEMPLATE_SYNTAX", () => parse(source)).message).toMatch(/template test is not valid Jinja/);
  },
);

test("nothing of JavaScript is within reach", () => {
  for (const path of ["constructor", "__proto__", "prototype", "toString", "constructor.constructor"]) {
    expect(
      render(`{{ x.${path} is defined }}|{{ f.${path} is defined }}|{{ x['${path}'] is defined }}`, {
        x: { a: 1 },
        f: () => 1,
      }),
    ).toBe("false|false|false");
  }
  dataError("TEMPLATE_FAILED", () => render("{{ ''.constructor.constructor('return process')() }}"));
});

test("range counts as Python's", () => {
  expect(render("{{ range(3) }}{{ range(1, 4) }}{{ range(5, 0, -2) }}{{ range(2, 2) | length }}")).toBe(
    "[0, 1, 2][1, 2, 3][5, 3, 1]0",
  );
});
