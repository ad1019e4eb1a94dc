// Before the tests: the programs that run as processes of their own, as JavaScript that any Node can start.
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "tsup";

const here = fileURLToPath(new URL(".", import.meta.url));

export default async function bundle(): Promise<void> {
  await build({
    config: false,
    entry: [`${here}programs/*.ts`],
    outDir: `${here}../node_modules/.cache/programs`,
    format: ["esm"],
    outExtension: () => ({ js: ".mjs" }),
    noExternal: [/.*/],
    clean: false,
    silent: true,
    target: "node20",
    banner: {
      js: 'import { createRequire as bundledRequire } from "node:module"; const require = bundledRequire(import.meta.url);',
    },
    esbuildOptions: (options) => {
      options.conditions = ["@qlora/source"];
    },
    esbuildPlugins: [
      {
        // Addons and data are found beside a package's sources, not beside the bundle.
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
