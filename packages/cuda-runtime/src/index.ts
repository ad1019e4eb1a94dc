// @qlora/cuda-runtime
export { type Addon, AddonError, loadAddon } from "./load.js";
