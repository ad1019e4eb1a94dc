// The README's examples, run as printed.
import { runReadme } from "../../../vitest.readme.js";

runReadme(new URL("../README.md", import.meta.url));
