// Before the tests: the command as JavaScript that any Node can start, from the sources of all packages. Needs no build of theirs.
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "tsup";

export const program = fileURLToPath(new URL("../node_modules/.cache/qlora/main.mjs", import.meta.url));

export default async function bundle(): Promise<void> {
  await build({
    config: false,
    entry: [fileURLToPath(new URL("../src/main.ts", import.meta.url))],
    outDir: fileURLToPath(new URL(".", pathToFileURL(program))),
    format: ["esm"],
    outExtension: () => ({ js: ".mjs" }),
    noExternal: [/.*/],
    clean: false,
    silent: true,
    sourcemap: "inline",
    target: "node20",
    banner: {
      js: 'import { createRequire as bundledRequire } from "node:module"; const require = bundledRequire(import.meta.url);',
    },
    esbuildOptions(options) {
      options.conditions = ["@qlora/source"];
    },
    esbuildPlugins: [
      {
        // Addons and package.json are found beside a package's sources, not beside the bundle.
        name: "sources",
        setup: ({ onLoad }) =>
          onLoad({ filter: /packages\/[^/]+\/src\/.*\.ts$/ }, ({ path }) => ({
            contents: readFileSync(path, "utf8").replaceAll(
              "import.meta.url",
              JSON.stringify(pathToFileURL(path).href),
            ),
            loader: "ts",
          })),
      },
    ],
  });
}
