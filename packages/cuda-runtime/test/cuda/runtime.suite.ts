// Handles, copies, streams, events and counters, on a GPU host too (gpu-check).
export { suite as default } from "../suite.js";
