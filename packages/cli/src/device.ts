// Where to compute: what --device takes.
import { z } from "zod";

export const deviceOption = z.enum(["cpu", "cuda", "cuda-emu"]).default("cpu").describe("where to compute");
