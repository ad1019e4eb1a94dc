// What the command line makes of a zod schema: a flag for each key, with its type, choices and default.
import { kebabCase } from "@qlora/trainer";
import { z } from "zod";

export type Shape = Record<string, z.ZodType>;

export interface Flag {
  /** The schema's key: "maxSteps". */
  key: string;
  /** Without dashes: "max-steps". */
  name: string;
  type: "boolean" | "number" | "string";
  choices: string[] | undefined;
  default: unknown;
  required: boolean;
  description: string;
}

export function flagsOf(shape: Shape): Flag[] {
  return Object.entries(shape).map(([key, schema]) => {
    const flag: Flag = {
      key,
      name: kebabCase(key),
      type: "string",
      choices: undefined,
      default: undefined,
      required: true,
      description: schema.description ?? "",
    };
    let inner: z.ZodType = schema;
    for (;;) {
      const def = inner.def as { type: string; innerType?: z.ZodType; defaultValue?: unknown };
      if (!flag.description && inner.description) flag.description = inner.description;
      if (def.type === "default") flag.default = def.defaultValue;
      if (def.type === "default" || def.type === "optional") flag.required = false;
      if (!def.innerType) break;
      inner = def.innerType;
    }
    if (inner instanceof z.ZodBoolean) flag.type = "boolean";
    if (inner instanceof z.ZodNumber) flag.type = "number";
    if (inner instanceof z.ZodEnum) flag.choices = inner.options.map(String);
    if (inner instanceof z.ZodLiteral) {
      flag.choices = Array.from(inner.values, String);
      flag.type = Array.from(inner.values).every((value) => typeof value === "number") ? "number" : "string";
    }
    return flag;
  });
}
