// qlora devices: what this machine can compute on.
import { devices, formatDevices } from "@qlora/cuda-runtime";
import { z } from "zod";
import { command, result } from "../command.js";

export const devicesCommand = command({
  name: "devices",
  summary: "what this machine can compute on, or why a GPU cannot be used",
  schema: z.strictObject({ json: z.boolean().default(false).describe("one JSON object on stdout") }),
  run({ json }) {
    const found = devices();
    result(json, found, formatDevices(found));
  },
});
