// What a command is: its name, its options as a zod schema, and what it does with them.
import type { z } from "zod";
import { parseFlags } from "./arguments.js";

export interface Command {
  /** `qlora <name>`; may be two words ("eval perplexity"). */
  name: string;
  /** One line for the overview. */
  summary: string;
  /** Options; positional arguments fill the keys in `positionals`, in order. */
  schema: z.ZodObject;
  positionals?: string[];
  /** Lines of example for `--help`. */
  examples?: string[];
  /** Returns the exit code, or a promise of it; anything that is no number is 0. */
  run(argv: string[]): unknown;
}

/** A command whose options are read and checked by its schema before it runs. */
export function command<T extends z.ZodObject>(definition: {
  name: string;
  summary: string;
  schema: T;
  positionals?: string[];
  examples?: string[];
  run(options: z.output<T>): unknown;
}): Command {
  return {
    ...definition,
    run: (argv) => definition.run(parseFlags(definition.schema, argv, definition.positionals) as z.output<T>),
  };
}
