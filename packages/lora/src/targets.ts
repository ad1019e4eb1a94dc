// Which modules get an adapter: PEFT's rules for target_modules, exclude_modules and layers_to_transform.
import { LoraError } from "./errors.js";
import { fullMatches } from "./patterns.js";

export interface Targets {
  /**
   * "all-linear": every module given but the output layer. A list: modules of these names, or whose path ends in "." and the name.
   * Another string: a regular expression (Python's) that must match the whole path.
   */
  targetModules: string | readonly string[];
  /** As `targetModules`, without "all-linear"; wins over it. */
  excludeModules?: string | readonly string[] | undefined;
  /** With a list: only layers of these numbers. */
  layersToTransform?: number | readonly number[] | undefined;
  /** With `layersToTransform`: what stands before the number in a path, e.g. "layers"; anything unless told. */
  layersPattern?: string | readonly string[] | undefined;
}

/**
 * The paths out of `modules` (a model's linear layers, in its order) that get an adapter, in the same order.
 * Stricter than PEFT: a name in a list that matches nothing is an error too, since it is nearly always a slip.
 * @param outputLayer what "all-linear" leaves out; "lm_head" unless told
 * @throws {LoraError} TARGET_UNMATCHED with a suggestion, PATTERN
 */
export function resolveTargets(modules: Iterable<string>, targets: Targets, outputLayer = "lm_head"): string[] {
  const paths = [...modules];
  const { targetModules } = targets;
  const excluded = new Set(matching(targets.excludeModules ?? [], paths, "excludeModules"));
  let chosen: string[];
  if (isAllLinear(targetModules)) chosen = paths.filter((path) => !isNamed(path, outputLayer));
  else if (typeof targetModules === "string") chosen = matching(targetModules, paths, "targetModules");
  else chosen = inLayers(matching(targetModules, paths, "targetModules"), targets);
  const kept = chosen.filter((path) => !excluded.has(path));
  if (kept.length === 0) {
    const why =
      chosen.length === 0
        ? `targetModules matches none of the ${paths.length} linear layers${layerHint(targets)}; there are ${names(paths)}`
        : `excludeModules takes out all ${chosen.length} modules that targetModules matches`;
    throw new LoraError("TARGET_UNMATCHED", why, { key: "targetModules" });
  }
  return kept;
}

export function isAllLinear(targetModules: string | readonly string[]): boolean {
  const single =
    typeof targetModules === "string" ? targetModules : targetModules.length === 1 ? targetModules[0]! : "";
  return single.toLowerCase() === "all-linear";
}

function isNamed(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

/** The paths a list or a regular expression selects; each name of a list must select one. */
function matching(selection: string | readonly string[], paths: readonly string[], field: string): string[] {
  if (typeof selection === "string") {
    const matches = fullMatches(selection, paths);
    return paths.filter((_, i) => matches[i]);
  }
  for (const name of selection)
    if (!paths.some((path) => isNamed(path, name)))
      throw new LoraError("TARGET_UNMATCHED", `${field}: "${name}" matches no linear layer${suggestion(name, paths)}`, {
        key: name,
      });
  return paths.filter((path) => selection.some((name) => isNamed(path, name)));
}

function inLayers(paths: string[], { layersToTransform, layersPattern }: Targets): string[] {
  const wanted = layersToTransform === undefined ? [] : [layersToTransform].flat();
  if (wanted.length === 0) return paths;
  const before = layersPattern === undefined ? [] : [layersPattern].flat();
  return paths.filter((path) => {
    const layer = layerNumber(path.split("."), before);
    return layer !== undefined && wanted.includes(layer);
  });
}

/** The first component that is a number, has one after it, and comes after one of `before` (or, without them, after two others). */
function layerNumber(components: string[], before: readonly string[]): number | undefined {
  for (const [i, component] of components.entries()) {
    if (!/^[0-9]+$/.test(component) || i === components.length - 1) continue;
    const head = components.slice(0, i).join(".");
    if (before.length === 0 ? i >= 2 : before.some((name) => isNamed(head, name))) return Number(component);
  }
  return undefined;
}

function layerHint({ layersToTransform }: Targets): string {
  return layersToTransform === undefined ? "" : ` in layers ${[layersToTransform].flat().join(", ")}`;
}

function suggestion(name: string, paths: readonly string[]): string {
  const known = name.includes(".") ? paths : lastComponents(paths);
  const ranked = known.map((other) => ({ other, edits: edits(name, other) })).sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  const close = best !== undefined && best.edits <= Math.max(2, name.length / 3);
  return `${close ? `; did you mean "${best.other}"?` : ";"} There are ${names(paths)}.`.replace(/; There/, "; there");
}

function names(paths: readonly string[]): string {
  const all = lastComponents(paths);
  return all.length > 12 ? `${all.slice(0, 12).join(", ")}, …` : all.join(", ") || "none";
}

/** The distinct last components of paths, in order: q_proj, k_proj, … */
export function lastComponents(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => path.slice(path.lastIndexOf(".") + 1)))];
}

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
