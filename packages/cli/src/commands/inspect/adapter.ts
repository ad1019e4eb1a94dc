// An adapter in PEFT's files.
import { readPeftAdapter } from "@qlora/lora";
import { table } from "../../terminal.js";
import { byteSize, grouped } from "../../units.js";
import type { Report } from "./report.js";

export function inspectAdapter(path: string): Report {
  const { adapters, config, warnings } = readPeftAdapter(path);
  const parameters = [...adapters.values()].reduce((sum, { a, b }) => sum + a.length + b.length, 0);
  const kinds = new Map<string, number>();
  for (const name of adapters.keys()) kinds.set(name.split(".").at(-1)!, (kinds.get(name.split(".").at(-1)!) ?? 0) + 1);
  const text = [
    path,
    `LoRA adapter for ${config.baseModel ?? "an unnamed base"}`,
    "",
    table([
      ["rank", String(config.r)],
      ["alpha", String(config.alpha)],
      ["dropout", String(config.dropout ?? 0)],
      ["modules", Array.from(kinds, ([name, count]) => `${name} × ${count}`).join(", ")],
      ["parameters", `${grouped(parameters)} (${byteSize(parameters * 4)} in memory)`],
    ]),
    ...warnings.map((warning) => `Warning: ${warning}`),
  ].join("\n");
  return { json: { kind: "adapter", path, config, modules: [...adapters.keys()], parameters }, text };
}
