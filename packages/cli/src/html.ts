// --html: the results of an evaluation as one page that opens offline.
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type ReportResults, renderReport } from "@qlora/eval";
import { writeFileAtomic } from "@qlora/safetensors";
import { z } from "zod";
import { CommandError } from "./errors.js";
import { say } from "./terminal.js";

export const htmlOption = z.string().min(1).optional().describe("also write the results as a page");

/** Fails before the work where the page could not be written after it. @throws {CommandError} */
export function checkHtml(path: string | undefined): void {
  if (path === undefined) return;
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) throw new CommandError(`${path} cannot be written: there is no folder ${folder}`);
  if (existsSync(path) && statSync(path).isDirectory()) throw new CommandError(`${path} is a folder; name a file`);
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    throw new CommandError(`${path} cannot be written: no permission in ${folder}`);
  }
}

export function writeHtml(path: string | undefined, results: ReportResults): void {
  if (path === undefined) return;
  writeFileAtomic(path, renderReport(results));
  say(`Report: ${path}`);
}
