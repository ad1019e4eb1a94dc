// Help, all of it from the commands' schemas.
import type { Command } from "./command.js";
import { type Flag, flagsOf, type Shape } from "./flags.js";
import { bold, wrap } from "./terminal.js";

const width = () => Math.min(100, Math.max(60, process.stdout.columns ?? 80));

/** `qlora --help`: the commands. */
export function overview(commands: readonly Command[]): string {
  const column = Math.max(...commands.map(({ name }) => name.length)) + 4;
  return [
    `${bold("qlora", process.stdout)}: fine-tune language models on 4-bit weights`,
    "",
    ...commands.flatMap(({ name, summary }) => entry(`  ${name}`, summary, column)),
    "",
    ...wrap(
      "qlora COMMAND --help lists a command's options. --version prints the version, --debug shows stack traces.",
      width(),
    ),
    "",
  ].join("\n");
}

/** `qlora COMMAND --help`: what it does and its options. */
export function help({ name, summary, schema, positionals = [], examples = [] }: Command): string {
  const flags = flagsOf(schema.shape as unknown as Shape).filter(({ key }) => !positionals.includes(key));
  const column = Math.min(26, Math.max(...flags.map((flag) => left(flag).length)) + 2);
  const about = flagsOf(schema.shape as unknown as Shape).filter(({ key }) => positionals.includes(key));
  return [
    `${bold(`qlora ${name}`, process.stdout)}${positionals.map((key) => ` [${key.toUpperCase()}]`).join("")} [options]`,
    ...wrap(summary, width()),
    "",
    ...about.flatMap(({ key, description }) => entry(`  ${key.toUpperCase()}`, description, column)),
    ...flags.flatMap((flag) => entry(left(flag), flag.description + note(flag), column)),
    ...(examples.length > 0 ? ["", "Examples:", ...examples.map((line) => `  ${line}`)] : []),
    "",
  ].join("\n");
}

function left({ name, type, choices, default: fallback }: Flag): string {
  const value = choices ? listed(choices) : type === "boolean" ? "" : type === "number" ? "N" : placeholder(name);
  return `  --${type === "boolean" && fallback !== false ? "[no-]" : ""}${name} ${value}`.trimEnd();
}

/** a|b|c, or NAME where that is too long to stand before the description. */
const listed = (choices: string[]) => (choices.join("|").length > 40 ? "NAME" : choices.join("|"));

const folders = new Set(["model", "adapter", "output", "ratings", "answers"]);
const files = new Set(["data", "config", "html", "held-out-data", "shots-data", "questions", "results"]);

function placeholder(name: string): string {
  return folders.has(name) ? "DIR" : files.has(name) ? "FILE" : "TEXT";
}

function note({ required, choices = [], type, default: fallback }: Flag): string {
  const names = listed(choices) === "NAME" ? `: ${choices.join(", ")}` : "";
  if (required) return `${names} (required)`;
  return names + (type === "boolean" || fallback === undefined || fallback === "" ? "" : ` [${String(fallback)}]`);
}

/** A name and what it means, in two columns; the second goes below where the name is long. */
function entry(name: string, text: string, column: number): string[] {
  const lines = wrap(text, width() - column).map((line) => " ".repeat(column) + line);
  if (name.length + 2 <= column) lines[0] = name.padEnd(column) + lines[0]!.slice(column);
  else lines.unshift(name);
  return lines;
}
