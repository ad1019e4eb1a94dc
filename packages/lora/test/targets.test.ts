// Which modules get an adapter, by PEFT's rules, and what a slip is answered with.
import { expect, test } from "vitest";
import { patternValues, resolveTargets } from "../src/index.js";
import { failureOf, tinyModules } from "./shared.js";

const paths = [...tinyModules.keys(), "lm_head"];
const attention = (names: string[], layers = [0, 1]) =>
  layers.flatMap((layer) => names.map((name) => `model.layers.${layer}.self_attn.${name}`));

test('"all-linear": every layer given but the output layer', () => {
  expect(resolveTargets(paths, { targetModules: "all-linear" })).toEqual([...tinyModules.keys()]);
  expect(resolveTargets(paths, { targetModules: ["All-Linear"] })).toEqual([...tinyModules.keys()]);
  expect(resolveTargets(["a.out", "a.in"], { targetModules: "all-linear" }, "out")).toEqual(["a.in"]);
});

test("a list: whole paths or what comes after a dot, in the model's order", () => {
  expect(resolveTargets(paths, { targetModules: ["v_proj", "q_proj"] })).toEqual(attention(["q_proj", "v_proj"]));
  expect(resolveTargets(paths, { targetModules: ["lm_head", "layers.1.mlp.up_proj"] })).toEqual([
    "model.layers.1.mlp.up_proj",
    "lm_head",
  ]);
  expect(failureOf(() => resolveTargets(paths, { targetModules: ["proj"] })).code).toBe("TARGET_UNMATCHED");
});

test("a regular expression must match the whole path", () => {
  const all = (pattern: string) => resolveTargets(paths, { targetModules: pattern });
  expect(all(String.raw`model\.layers\.1\..*_proj`).length).toBe(7);
  expect(all(".*[qv]_proj")).toEqual(attention(["q_proj", "v_proj"]));
  expect(all("lm_head|.*k_proj")).toEqual([...attention(["k_proj"]), "lm_head"]);
  expect(all(String.raw`\Amodel.*(?P<x>[oq])_proj\Z`)).toEqual(attention(["q_proj", "o_proj"]));
  expect(failureOf(() => all("q_proj")).code).toBe("TARGET_UNMATCHED");
});

test("excludeModules wins, as a list or an expression", () => {
  const rest = (excludeModules: string | string[]) =>
    resolveTargets(paths, { targetModules: ["q_proj", "v_proj"], excludeModules });
  expect(rest(["layers.0.self_attn.q_proj"])).toEqual([
    ...attention(["v_proj"], [0]),
    ...attention(["q_proj", "v_proj"], [1]),
  ]);
  expect(rest(String.raw`.*\.0\..*`)).toEqual(attention(["q_proj", "v_proj"], [1]));
  expect(failureOf(() => rest(["self_attn.q_proj", "v_proj"])).message).toContain("takes out all 4 modules");
  expect(failureOf(() => rest(["x_proj"])).message).toMatch(
    /^excludeModules: "x_proj" matches no linear layer; did you mean/,
  );
});

test("layersToTransform: one number or several, of the first numbered part of a path", () => {
  const layers = (layersToTransform: number | number[], layersPattern?: string | string[]) =>
    resolveTargets(paths, { targetModules: ["q_proj"], layersToTransform, layersPattern });
  expect(layers(1)).toEqual(attention(["q_proj"], [1]));
  expect(layers([0, 1, 7], "layers")).toEqual(attention(["q_proj"]));
  expect(layers([0], ["h", "model.layers"])).toEqual(attention(["q_proj"], [0]));
  expect(layers([])).toEqual(attention(["q_proj"]));
  expect(failureOf(() => layers(1, "h")).message).toContain("in layers 1");
  expect(failureOf(() => layers(2)).message).toMatch(/none of the 15 linear layers in layers 2/);
  const experts = ["m.layers.1.experts.0.up", "m.layers.0.experts.1.up"];
  expect(resolveTargets(experts, { targetModules: ["up"], layersToTransform: 1 })).toEqual(experts.slice(0, 1));
});

test("a name that matches nothing is an error with a suggestion", () => {
  const message = (name: string) => failureOf(() => resolveTargets(paths, { targetModules: ["q_proj", name] })).message;
  expect(message("v_porj")).toBe(
    'targetModules: "v_porj" matches no linear layer; did you mean "v_proj"? There are q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head.',
  );
  expect(message("query_key_value")).toMatch(/matches no linear layer; there are q_proj/);
  expect(message("layers.0.self_attn.qproj")).toContain('did you mean "model.layers.0.self_attn.q_proj"?');
});

test("patternValues: the end of a path after a dot, first match wins", () => {
  const values = (patterns: Record<string, number>) => patternValues(patterns, ["a.b.q_proj", "a.bq_proj", "q_proj"]);
  expect(values({ q_proj: 1 })).toEqual([1, undefined, 1]);
  expect(values({ "b.q_proj": 1, q_proj: 2 })).toEqual([1, undefined, 2]);
  expect(values({ q_proj: 2, "b.q_proj": 1 })).toEqual([2, undefined, 2]);
  expect(values({ "[ab]": 1, "q|.*bq": 2, "b?q_pro.": 3 })).toEqual([3, 3, 3]);
  expect(values({ "q_proj|x": 4 })).toEqual([4, undefined, 4]);
  expect(values({})).toEqual([undefined, undefined, undefined]);
});

test("expressions that cannot be used, or take for ever, are errors", () => {
  const error = failureOf(() => resolveTargets(paths, { targetModules: "(q_proj" }));
  expect(error).toMatchObject({ code: "PATTERN", key: "(q_proj" });
  const start = performance.now();
  const long = [`${"a".repeat(60)}!`];
  expect(failureOf(() => patternValues({ "(a+)+": 1 }, long)).message).toContain("took more than 1000 ms");
  expect(failureOf(() => resolveTargets(long, { targetModules: "(a|a)*b" })).code).toBe("PATTERN");
  expect(performance.now() - start).toBeLessThan(20_000);
});
