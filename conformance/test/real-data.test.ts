// A real pretrained model trains from real data: stories260K on alpaca and on OpenAssistant messages.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DoneEvent, Trainer } from "@qlora/trainer";
import { describe, expect, test } from "vitest";

const shared = process.env.QLORA_SHARED ?? join(import.meta.dirname, "../../../shared");
const model = join(shared, "models/stories260K");
const present = existsSync(model);
if (!present) console.warn(`SKIPPED: ${model} is not there; set QLORA_SHARED`);

describe.skipIf(!present)("stories260K trains from", () => {
  test.each(["alpaca_en_demo.json", "oasst1_messages.jsonl"])("%s", async (file) => {
    const dir = mkdtempSync(join(tmpdir(), "real-data-"));
    const trainer = new Trainer({
      model,
      data: join(shared, "data", file),
      output: join(dir, "run"),
      maxLength: 256,
      maxSteps: 25,
      learningRate: 2e-3,
      batchSize: 4,
      gradientAccumulation: 2,
      heldOut: 24,
    });
    let done: DoneEvent | undefined;
    for await (const event of trainer.run()) if (event.type === "done") done = event;
    rmSync(dir, { recursive: true });
    expect(done!.steps).toBe(25);
    expect(done!.heldOut.after!).toBeLessThan(done!.heldOut.before! - 0.1);
  });
});
