import { defineConfig, type Options } from "tsup";
import { library } from "../../tsup.shared.js";

/** One ES module without a Node import: the same sources, with the addon's loader left out. */
export const browser: Options = {
  entry: { browser: "src/index.ts" },
  format: ["esm"],
  platform: "browser",
  target: "es2022",
  sourcemap: true,
  clean: false,
  esbuildPlugins: [
    {
      name: "no addon",
      setup(build) {
        build.onResolve({ filter: /\/native\.js$/ }, ({ resolveDir }) => ({ path: `${resolveDir}/native.browser.ts` }));
      },
    },
  ],
};

export default defineConfig([{ ...library(), clean: ["!browser*"] }, browser]);
