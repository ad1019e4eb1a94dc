// Runs the ```ts blocks of a package's README as printed, and checks each `console.log(…); // → text` against what it prints.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "node:util";
import { expect, test, vi } from "vitest";

/** Call at the top of `test/readme.test.ts` with `new URL("../README.md", import.meta.url)`. */
export function runReadme(url: URL): void {
  const own = JSON.parse(readFileSync(new URL("package.json", url), "utf8")).name as string;
  const blocks = [...readFileSync(url, "utf8").matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!);
  test("the README has an example", () => expect(blocks.length).toBeGreaterThan(0));
  for (const [i, block] of blocks.entries())
    test(`README example ${i + 1} runs as printed`, async () => {
      const file = fileURLToPath(new URL(`test/.readme-${process.pid}-${i}.ts`, url));
      const printed: string[] = [];
      const log = vi.spyOn(console, "log").mockImplementation((...values) => void printed.push(format(...values)));
      try {
        writeFileSync(file, block.replaceAll(`"${own}"`, '"../src/index.js"'));
        await import(
          /* @vite-ignore */ `./packages/${basename(fileURLToPath(new URL(".", url)))}/test/${basename(file)}`
        );
      } finally {
        log.mockRestore();
        rmSync(file, { force: true });
      }
      const promised = [...block.matchAll(/console\.log\(.*\);\s*\/\/ → (.*)$/gm)].map((match) => match[1]!.trimEnd());
      if (promised.length > 0) expect(printed).toEqual(promised);
    });
}
