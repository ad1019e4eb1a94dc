// Trains as the JSON of its argument says, as the command line would: events as JSON lines, exit codes, signals.
import { Trainer } from "../../src/index.js";

const { options, crashAfter } = JSON.parse(process.argv[2]!) as {
  options: ConstructorParameters<typeof Trainer>[0];
  crashAfter?: string;
};
const controller = new AbortController();
let code = 0;
for (const [signal, number] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.on(signal, () => {
    if (code) process.exit(code);
    code = number;
    controller.abort();
  });
try {
  for await (const event of new Trainer(options).run({ signal: controller.signal })) {
    process.stdout.write(`${JSON.stringify(event)}\n`);
    if (crashAfter === `${event.type} ${"step" in event ? event.step : ""}`) process.kill(process.pid, "SIGKILL");
  }
} catch (error) {
  const { name, code, message } = error as Error & { code?: string };
  process.stdout.write(`${JSON.stringify({ type: "error", name, code, message })}\n`);
  process.exitCode = 1;
}
if (code) process.exit(code);
