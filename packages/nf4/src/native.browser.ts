// What stands for native.ts in a browser bundle: there is no addon.
import type { Native } from "./native.js";

export const native: Native | undefined = undefined;
export const loadEmulated = (): undefined => undefined;
