// Finds the command, runs it, and turns what goes wrong into one line and an exit code.
import { readFileSync } from "node:fs";
import { suggestion } from "@qlora/trainer";
import type { Command } from "./command.js";
import { chatCommand } from "./commands/chat.js";
import { devicesCommand } from "./commands/devices.js";
import { estimateCommand } from "./commands/estimate.js";
import { answersCommand } from "./commands/eval-answers.js";
import { judgeCommand } from "./commands/eval-judge.js";
import { mmluCommand } from "./commands/eval-mmlu.js";
import { perplexityCommand } from "./commands/eval-perplexity.js";
import { eloCommand, relativeCommand } from "./commands/eval-ratings.js";
import { generateCommand } from "./commands/generate.js";
import { inspectCommand } from "./commands/inspect.js";
import { mergeCommand } from "./commands/merge.js";
import { quantizeCommand } from "./commands/quantize.js";
import { trainCommand } from "./commands/train.js";
import { describeError, isUsage, UsageError } from "./errors.js";
import { help, overview } from "./help.js";
import { printable, say } from "./terminal.js";

export const commands: readonly Command[] = [
  trainCommand,
  generateCommand,
  chatCommand,
  perplexityCommand,
  mmluCommand,
  answersCommand,
  judgeCommand,
  eloCommand,
  relativeCommand,
  quantizeCommand,
  mergeCommand,
  estimateCommand,
  inspectCommand,
  devicesCommand,
];

/** Runs `qlora <argv>` and returns the exit code: 0, 1 for an error, 2 for wrong usage, 130 and 143 after a signal. */
export async function run(argv: string[]): Promise<number> {
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length;
  const debug = argv.slice(0, end).includes("--debug");
  const rest = argv.filter((word, i) => i >= end || word !== "--debug");
  const found = find(rest);
  try {
    return await dispatch(rest, found);
  } catch (error) {
    const name = found ? `qlora ${found.name}` : "qlora";
    const more = isUsage(error) ? `; see ${name} --help` : "";
    if (debug) console.error(error);
    else say(`${name}: ${printable(describeError(error))}${more}`);
    return isUsage(error) ? 2 : 1;
  }
}

async function dispatch(argv: string[], found: Command | undefined): Promise<number> {
  const [first] = argv;
  if (first === "help") return dispatch([...argv.slice(1), "--help"], find(argv.slice(1)));
  if (first === undefined || first === "--help" || first === "-h") {
    (first === undefined ? process.stderr : process.stdout).write(overview(commands));
    return first === undefined ? 2 : 0;
  }
  if (first === "--version") {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (!found && first.startsWith("-")) throw new UsageError(`unknown option ${first}`);
  if (!found) throw unknown(argv);
  const rest = argv.slice(found.name.split(" ").length);
  const options = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (options.includes("--help") || options.includes("-h")) {
    process.stdout.write(help(found));
    return 0;
  }
  const code = await found.run(rest);
  return typeof code === "number" ? code : 0;
}

function find(argv: string[]): Command | undefined {
  return commands.find(({ name }) => name.split(" ").every((word, i) => argv[i] === word));
}

function unknown([first, second]: string[]): UsageError {
  const group = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name.split(" ")[1]!);
  if (group.length === 0) {
    const names = commands.map(({ name }) => name);
    return new UsageError(`unknown command ${first}${suggestion(first!, [...names, "eval"])}`);
  }
  const given = second === undefined || second.startsWith("-") ? "" : `, not ${second}${suggestion(second, group)}`;
  return new UsageError(`${first} needs one of ${group.join(", ")}${given}`);
}

/** The version in package.json, which lies one folder up from sources and build alike. */
function version(): string {
  return JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version;
}
