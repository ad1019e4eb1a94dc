// @qlora/cli: finds the command, prints help, turns errors into one line and an exit code (2 for usage, 1 otherwise).
import { ConfigError, suggestion } from "@qlora/trainer";
import { formatFlags, heading, type Shape, UsageError } from "./arguments.js";
import { type Command, say } from "./command.js";
import { chatCommand } from "./commands/chat.js";
import { devicesCommand } from "./commands/devices.js";
import { estimateCommand } from "./commands/estimate.js";
import { evalCommands } from "./commands/eval.js";
import { generateCommand } from "./commands/generate.js";
import { inspectCommand } from "./commands/inspect.js";
import { mergeCommand } from "./commands/merge.js";
import { quantizeCommand } from "./commands/quantize.js";
import { trainCommand } from "./commands/train.js";

export { say, table } from "./command.js";
export { showEvent } from "./commands/train.js";
export { type Progress, progress } from "./progress.js";

const commands: Command[] = [
  trainCommand,
  generateCommand,
  chatCommand,
  ...evalCommands,
  quantizeCommand,
  mergeCommand,
  estimateCommand,
  inspectCommand,
  devicesCommand,
];

/** Runs `qlora <argv>` and returns the exit code. */
export async function run(argv: string[]): Promise<number> {
  const debug = argv.includes("--debug");
  const rest = argv.filter((word) => word !== "--debug");
  try {
    return await dispatch(rest);
  } catch (error) {
    const usage = error instanceof UsageError || error instanceof ConfigError;
    if (debug) console.error(error);
    else say(`qlora: ${error instanceof Error ? error.message : String(error)}`);
    if (usage && !debug) say("See qlora --help, or qlora COMMAND --help.");
    return usage ? 2 : 1;
  }
}

async function dispatch(argv: string[]): Promise<number> {
  const [first] = argv;
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    process.stdout.write(overview());
    return first === undefined ? 2 : 0;
  }
  const found = commands.find(({ name }) => name.split(" ").every((word, i) => argv[i] === word));
  if (!found) {
    const group = commands.filter(({ name }) => name.startsWith(`${first} `));
    if (group.length > 0)
      throw new UsageError(`qlora ${first} needs one of: ${group.map(({ name }) => name.split(" ")[1]).join(", ")}`);
    throw new UsageError(
      `unknown command ${first}${suggestion(
        first,
        commands.map(({ name }) => name),
      )}`,
    );
  }
  const rest = argv.slice(found.name.split(" ").length);
  if (rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(help(found));
    return 0;
  }
  return (await found.run(rest)) ?? 0;
}

function overview(): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 2;
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}${summary}`);
  return `${heading("qlora")}: fine-tune language models on 4-bit weights\n\n${lines.join("\n")}\n\nqlora COMMAND --help lists a command's options. --debug shows stack traces.\n`;
}

function help({ name, summary, schema, positionals = [], examples = [] }: Command): string {
  const usage = `${heading(`qlora ${name}`)}${positionals.map((key) => ` [${key.toUpperCase()}]`).join("")} [options]`;
  const shown = examples.length ? `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}\n` : "";
  return `${usage}\n${summary}\n\n${formatFlags(schema.shape as unknown as Shape)}\n${shown}`;
}
