// What a command is, and how its results leave the process: data on stdout, everything else on stderr.
import type { z } from "zod";

export interface Command {
  /** `qlora <name>`; may be two words ("eval perplexity"). */
  name: string;
  /** One line for the overview. */
  summary: string;
  /** Options; positional arguments fill these keys in order. */
  schema: z.ZodObject;
  positionals?: string[];
  /** Lines of example for `--help`. */
  examples?: string[];
  /** Returns the exit code, 0 unless it says otherwise. */
  run(argv: string[]): Promise<number | void> | number | void;
}

/** A command whose options are read by its schema before it runs. */
export function command<T extends z.ZodObject>(definition: {
  name: string;
  summary: string;
  schema: T;
  positionals?: string[];
  examples?: string[];
  run(options: z.output<T>): Promise<number | void> | number | void;
}): Command {
  return {
    ...definition,
    run: async (argv) => {
      const { parseFlags } = await import("./arguments.js");
      return definition.run(parseFlags(definition.schema, argv, definition.positionals) as z.output<T>);
    },
  };
}

/** A line for a person, on stderr. */
export function say(line = ""): void {
  process.stderr.write(`${line}\n`);
}

/** A result on stdout: one JSON document with `--json`, else text. */
export function result(json: boolean, value: unknown, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : text}\n`);
}

/** Rows of columns, padded; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
    });
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          typeof cell === "number" ? String(cell).padStart(widths[i]!) : String(cell).padEnd(widths[i]!),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
