// Trains and reports resident memory at each stage; for looking at what the estimate has to say.
import { Trainer } from "../../src/index.js";

const { options } = JSON.parse(process.argv[2]!) as { options: ConstructorParameters<typeof Trainer>[0] };
const mb = (x: number) => Math.round(x / 2 ** 20);
const show = (what: string) => {
  const { rss, heapTotal, heapUsed, external, arrayBuffers } = process.memoryUsage();
  console.log(
    what.padEnd(20),
    "rss",
    mb(rss),
    "heap",
    mb(heapUsed),
    "/",
    mb(heapTotal),
    "external",
    mb(external),
    "ab",
    mb(arrayBuffers),
    "max",
    mb(process.resourceUsage().maxRSS * 1024),
  );
};
for await (const event of new Trainer(options).run()) {
  if (event.type === "loading" && event.done % 20) continue;
  show(`${event.type} ${"step" in event ? event.step : ""}`);
  if (event.type === "memory")
    console.log(
      event.estimate.parts.map(({ name, bytes }) => `${name} ${(bytes / 2 ** 20).toFixed(1)}`).join(", "),
      "total",
      mb(event.estimate.total),
    );
}
