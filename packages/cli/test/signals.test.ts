// Ctrl-C and SIGTERM: training saves and can go on as if nothing had been; chat stops an answer; exit codes 130 and 143.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { baseModel, fresh, qlora, trainData } from "./qlora.js";

const train = (output: string, ...rest: string[]) => [
  ...`train --model ${baseModel} --data ${trainData} --output ${output} --max-steps 24 --batch-size 8 --gradient-accumulation 2`.split(
    " ",
  ),
  ...`--held-out 0 --lora-r 4 --json`.split(" "),
  ...rest,
];
const steps = (stdout: string) =>
  [...stdout.matchAll(/"type":"step","steps":\d+,"step":(\d+)|"type":"step".*?"step":(\d+)/g)].length;

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s saves; --resume auto ends with the same bits as a run of one piece",
  async (signal) => {
    const [whole, parts] = [fresh("whole"), fresh("parts")];
    expect((await qlora(train(whole))).code).toBe(0);
    let sent = false;
    const stopped = await qlora(train(parts), {
      onOutput({ stdout }, child) {
        if (sent || steps(stdout) < 5) return;
        sent = true;
        child.kill(signal);
      },
    });
    expect(stopped.code, stopped.stderr).toBe(signal === "SIGINT" ? 130 : 143);
    expect(stopped.stderr).toMatch(new RegExp(`^${signal}: finishing`, "m"));
    expect(stopped.stderr).toMatch(/^Stopped after step \d+; the same command with --resume auto continues$/m);
    expect(existsSync(join(parts, "adapter_model.safetensors"))).toBe(false);
    const resumed = await qlora(train(parts, "--resume", "auto"));
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/^Continuing from .*step-\d+ \(step \d+\)$/m);
    const bytes = (dir: string) => readFileSync(join(dir, "adapter_model.safetensors"));
    expect(bytes(parts).equals(bytes(whole))).toBe(true);
  },
);

test("a second signal stops at once", async () => {
  const output = fresh("run");
  const { code, signal } = await qlora([...train(output), "--max-steps", "100000"], {
    onOutput({ stdout, stderr }, child) {
      if (/^SIGINT: finishing/m.test(stderr)) child.kill("SIGINT");
      else if (steps(stdout) === 2) child.kill("SIGINT");
    },
  });
  // The second one may come when the first has been served and its handler is gone; a shell says 130 then, too.
  expect(code === 130 || signal === "SIGINT").toBe(true);
});

test("a signal while loading leaves no folder", async () => {
  const output = fresh("run");
  let sent = false;
  const { code } = await qlora(train(output), {
    onOutput({ stdout }, child) {
      if (sent || !stdout.includes('"type":"memory"')) return;
      sent = true;
      child.kill("SIGINT");
    },
  });
  expect(code).toBe(130);
  // The signal may come when the model is there already: then the run has begun, and has something to go on from.
  if (existsSync(output)) expect(readdirSync(output)).toContain("log.jsonl");
});

const chat = (...rest: string[]) => ["chat", "--model", baseModel, ...rest];

test("chat from a pipe: answers on stdout, one a line; /clear forgets", async () => {
  const [question, other] = ["Where does she live?", "What is her pet?"];
  const first = await qlora(chat("--max-new-tokens", "12"), {
    input: `${question}\n\n${other}\n/clear\n${question}\n`,
  });
  expect(first).toMatchObject({ code: 0, stderr: "" });
  const answers = first.stdout.split("\n");
  expect(answers.at(-1)).toBe("");
  const alone = await qlora(chat("--max-new-tokens", "12"), { input: question });
  expect(alone.stdout.trimEnd().length).toBeGreaterThan(0);
  expect(first.stdout.startsWith(alone.stdout)).toBe(true);
  expect(first.stdout.endsWith(alone.stdout)).toBe(true);
  expect(first.stdout.length).toBeGreaterThan(2 * alone.stdout.length);
  const generated = await qlora([
    "generate",
    "--model",
    baseModel,
    "--chat",
    "--prompt",
    question,
    "--max-new-tokens",
    "12",
  ]);
  expect(generated.stdout).toBe(alone.stdout);
});

test("chat: /exit ends, a conversation that is too long says so and goes on", async () => {
  const { code, stdout, stderr } = await qlora(chat("--max-new-tokens", "4"), {
    input: `${"word ".repeat(400)}\nHello\n/exit\nnever\n`,
  });
  expect(code).toBe(0);
  expect(stderr).toMatch(/^the prompt has \d+ tokens; the model takes 1 to 256; \/clear starts over\n$/);
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
});

test("chat: the first Ctrl-C stops the answer, the program goes on", async () => {
  let sent = 0;
  const { code, stderr, stdout } = await qlora(chat("--max-new-tokens", "200", "--temperature", "4"), {
    env: { QLORA_THREADS: "1" },
    input: "Tell me a long story.\n/clear\nAnd another one.\n",
    onOutput(so, child) {
      if (sent++ === 0 && so.stdout !== "") child.kill("SIGINT");
    },
  });
  expect(code).toBe(0);
  expect(stderr).toBe("(stopped)\n");
  expect(stdout.trimEnd().split("\n").length).toBeGreaterThanOrEqual(2);
});
