// A resumed run equals the uninterrupted one bit for bit.
import { expect, test } from "vitest";
import { folder, result, tinyRun, train, trainProcess } from "./shared.js";

test("smoke", async () => {
  const dir = folder();
  const options = tinyRun(dir);
  const events = await train(options);
  for (const e of events) console.log(JSON.stringify(e).slice(0, 400));
  console.log(result(options.output, 6));
  const ended = trainProcess({ ...options, output: `${dir}/second` });
  for (const e of ended.events) console.log(JSON.stringify(e).slice(0, 1000));
  console.log(ended.stderr, ended.status);
  expect(result(`${dir}/second`, 6)).toEqual(result(options.output, 6));
});
