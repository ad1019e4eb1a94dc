// Where to compute: what --device takes, and why a device cannot be used.
import { devices } from "@qlora/cuda-runtime";
import { z } from "zod";
import { CommandError } from "./errors.js";

export const deviceOption = z.enum(["cpu", "cuda", "cuda-emu"]).default("cpu").describe("where to compute");

/** @throws {CommandError} when a model cannot run on `device` */
export function checkDevice(device: "cpu" | "cuda" | "cuda-emu"): void {
  if (device === "cpu") return;
  const { reason } = device === "cuda" ? devices() : { reason: undefined };
  const why = reason === undefined ? "models run on the CPU only so far" : `there is none here (${reason})`;
  throw new CommandError(`--device ${device} cannot be used: ${why}; leave it out, or use --device cpu`);
}
