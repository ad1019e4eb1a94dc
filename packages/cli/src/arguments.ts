// argv → the options of a schema, or one line that says which flag is wrong and what it takes.
import { suggestion } from "@qlora/trainer";
import type { z } from "zod";
import { UsageError } from "./errors.js";
import { type Flag, flagsOf, type Shape } from "./flags.js";

/**
 * Reads `argv` by a schema's shape: `--flag value`, `--flag=value`, `--flag` and `--no-flag` for booleans; of a flag given
 * twice the last counts. A value may begin with a dash unless it spells a known flag. Values are converted, and checked one
 * by one; what is missing is not looked at.
 */
export function readFlags(shape: Shape, argv: string[], positionals: string[] = []): Record<string, unknown> {
  const flags = new Map(flagsOf(shape).map((flag) => [flag.name, flag]));
  const values: Record<string, unknown> = {};
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === "--") {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      words.push(word);
      continue;
    }
    const { flag, negated, inline } = find(word, flags);
    const next = inline ?? argv[i + 1];
    if (flag.type === "boolean") values[flag.key] = toBoolean(flag, inline) !== negated;
    else if (next === undefined || (inline === undefined && flags.has(/^--([^=]+)/.exec(next)?.[1] ?? "")))
      throw new UsageError(`--${flag.name} needs a value: ${flag.description}`);
    else {
      values[flag.key] = flag.type === "number" ? toNumber(flag, next) : next;
      if (inline === undefined) i++;
    }
  }
  words.forEach((word, i) => {
    const key = positionals[i];
    if (key === undefined) throw new UsageError(`unexpected argument ${word}`);
    if (values[key] !== undefined) throw new UsageError(`${key} is given twice: ${values[key]} and ${word}`);
    values[key] = word;
  });
  for (const flag of flags.values()) {
    const checked = values[flag.key] === undefined ? undefined : shape[flag.key]!.safeParse(values[flag.key]);
    if (checked?.error) throw new UsageError(explain(flag, values[flag.key], checked.error.issues[0]!));
  }
  return values;
}

/** Reads and checks: the options of a command whose schema says everything. */
export function parseFlags<T extends Shape>(
  schema: z.ZodObject<T>,
  argv: string[],
  positionals: string[] = [],
): z.output<z.ZodObject<T>> {
  const shape = schema.shape as unknown as Shape;
  const values = readFlags(shape, argv, positionals);
  requireFlags(shape, values);
  return schema.parse(values);
}

/** @throws {UsageError} for the first flag without a value that has no default; `hint` says where else it may stand. */
export function requireFlags(shape: Shape, values: Record<string, unknown>, hint = ""): void {
  const missing = flagsOf(shape).find(({ key, required }) => required && values[key] === undefined);
  if (missing) throw new UsageError(`--${missing.name} is missing: ${missing.description}${hint}`);
}

function find(word: string, flags: Map<string, Flag>): { flag: Flag; negated: boolean; inline: string | undefined } {
  const [, name = word, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  const exact = flags.get(name);
  if (exact) return { flag: exact, negated: false, inline };
  const positive = name.startsWith("no-") ? flags.get(name.slice(3)) : undefined;
  if (positive?.type === "boolean" && inline === undefined) return { flag: positive, negated: true, inline };
  const known = [...flags.values()].flatMap(({ name, type, default: fallback }) =>
    type === "boolean" && fallback !== false ? [name, `no-${name}`] : [name],
  );
  throw new UsageError(`unknown option ${word}${suggestion(name, known).replace("mean ", "mean --")}`);
}

function toBoolean(flag: Flag, text: string | undefined): boolean {
  if (text === undefined || text === "true") return true;
  if (text === "false") return false;
  throw new UsageError(`--${flag.name} is true or false, got "${text}"`);
}

function toNumber(flag: Flag, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value))
    throw new UsageError(`--${flag.name} must be a number, got "${text}" (${flag.description})`);
  return value;
}

/** A zod issue about one flag, in words. */
function explain(flag: Flag, value: unknown, issue: z.core.$ZodIssue): string {
  const got = typeof value === "string" ? `"${value}"` : String(value);
  if (flag.choices)
    return `--${flag.name} must be one of ${flag.choices.join(", ")}, got ${got}${suggestion(String(value), flag.choices)}`;
  const rule =
    value === ""
      ? "must not be empty"
      : issue.code === "too_small"
        ? `must be ${issue.inclusive ? "at least" : "above"} ${issue.minimum}`
        : issue.code === "too_big"
          ? `must be ${issue.inclusive ? "at most" : "below"} ${issue.maximum}`
          : issue.code === "invalid_type" && issue.expected === "int"
            ? "must be a whole number"
            : issue.message;
  return `--${flag.name} ${rule}, got ${got} (${flag.description})`;
}
