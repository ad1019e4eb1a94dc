// Flags, help and checks of a command, all from its zod schema.
import { parseArgs, styleText } from "node:util";
import { kebabCase, suggestion } from "@qlora/trainer";
import { z } from "zod";

/** Wrong usage: exit code 2, one line, no stack. */
export class UsageError extends Error {
  override name = "UsageError";
}

export type Shape = Record<string, z.ZodType>;

/** What the command line makes of one key of a schema. */
interface Flag {
  key: string;
  flag: string;
  type: "boolean" | "number" | "string";
  choices: string[] | undefined;
  default: unknown;
  required: boolean;
  description: string;
}

/** Reads `argv` by a schema's shape. Values are converted, not yet checked: that is the schema's own work. */
export function readFlags(shape: Shape, argv: string[], positionals: string[] = []): Record<string, unknown> {
  const flags = describe(shape);
  const options = Object.fromEntries(
    flags.map(({ flag, type }) => [flag, { type: type === "boolean" ? ("boolean" as const) : ("string" as const) }]),
  );
  const known = new Set(Object.keys(options));
  for (const word of argv) {
    if (word === "--") break;
    const name = /^--(?:no-)?([^=]+)/.exec(word)?.[1];
    if (name && !known.has(name) && !known.has(`no-${name}`))
      throw new UsageError(`unknown option --${name}${suggestion(name, [...known]).replace("mean ", "mean --")}`);
  }
  let parsed: { values: Record<string, unknown>; positionals: string[] };
  try {
    parsed = parseArgs({
      args: argv,
      options,
      allowPositionals: true,
      allowNegative: true,
      strict: true,
    }) as typeof parsed;
  } catch (error) {
    throw new UsageError((error as Error).message.split(". ")[0]!);
  }
  const values: Record<string, unknown> = {};
  for (const { key, flag, type } of flags) {
    const value = parsed.values[flag];
    if (value === undefined) continue;
    values[key] = type === "number" ? toNumber(flag, String(value)) : value;
  }
  parsed.positionals.forEach((word, i) => {
    const key = positionals[i];
    if (!key) throw new UsageError(`unexpected argument ${word}`);
    if (values[key] !== undefined) throw new UsageError(`${key} is given twice: ${word} and --${kebabCase(key)}`);
    values[key] = word;
  });
  return values;
}

/** Reads and checks: the options of a command whose schema says everything. */
export function parseFlags<T extends Shape>(
  schema: z.ZodObject<T>,
  argv: string[],
  positionals: string[] = [],
): z.output<z.ZodObject<T>> {
  const result = schema.safeParse(readFlags(schema.shape as unknown as Shape, argv, positionals));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const key = String(issue!.path[0] ?? "");
  const missing = issue!.message.includes("received undefined");
  const about = (schema.shape as unknown as Shape)[key]?.description ?? "";
  throw new UsageError(missing ? `--${kebabCase(key)} is missing: ${about}` : `--${kebabCase(key)}: ${issue!.message}`);
}

/** The options of a schema as lines of help. */
export function formatFlags(shape: Shape): string {
  const rows = describe(shape).map(({ flag, type, choices, default: fallback, required, description }) => {
    const negative = type === "boolean" && fallback === true;
    const value = type === "boolean" ? "" : choices ? ` ${choices.join("|")}` : type === "number" ? " N" : " TEXT";
    const note = required
      ? " (required)"
      : fallback === undefined || fallback === false
        ? ""
        : ` [${String(fallback)}]`;
    return { left: `  --${negative ? "[no-]" : ""}${flag}${value}`, right: description + note };
  });
  const column = Math.min(34, Math.max(...rows.map(({ left }) => left.length)) + 2);
  return rows
    .map(({ left, right }) =>
      left.length < column ? left.padEnd(column) + right : `${left}\n${" ".repeat(column)}${right}`,
    )
    .join("\n");
}

export function heading(text: string): string {
  return styleText("bold", text);
}

function describe(shape: Shape): Flag[] {
  return Object.entries(shape).map(([key, schema]) => {
    const flag: Flag = {
      key,
      flag: kebabCase(key),
      type: "string",
      choices: undefined,
      default: undefined,
      required: true,
      description: schema.description ?? "",
    };
    let inner: z.ZodType = schema;
    for (;;) {
      const def = inner.def as { type: string; innerType?: z.ZodType; defaultValue?: unknown; values?: unknown[] };
      if (!flag.description && inner.description) flag.description = inner.description;
      if (def.type === "default") {
        flag.default = def.defaultValue;
        flag.required = false;
      } else if (def.type === "optional") flag.required = false;
      if (!def.innerType) break;
      inner = def.innerType;
    }
    if (inner instanceof z.ZodBoolean) flag.type = "boolean";
    if (inner instanceof z.ZodNumber) flag.type = "number";
    if (inner instanceof z.ZodEnum) flag.choices = inner.options.map(String);
    if (inner instanceof z.ZodLiteral) {
      flag.choices = Array.from(inner.values, String);
      flag.type = Array.from(inner.values).every((value) => typeof value === "number") ? "number" : "string";
    }
    return flag;
  });
}

function toNumber(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw new UsageError(`--${flag} must be a number, got "${text}"`);
  return value;
}
