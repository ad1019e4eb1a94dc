// qlora devices: what this machine can compute on.
import { devices, formatDevices } from "@qlora/cuda-runtime";
import { z } from "zod";
import { command } from "../command.js";
import { result } from "../terminal.js";

export const devicesCommand = command({
  name: "devices",
  summary: "what this machine computes on, or why not on a GPU",
  schema: z.strictObject({ json: z.boolean().default(false).describe("one JSON object on stdout") }),
  run({ json }) {
    const found = devices();
    result(json, found, formatDevices(found));
  },
});
