// @qlora/cli: the qlora command as a function, and what it shows people with.
export { keepHeapSmall } from "./heap.js";
export { type Progress, progress } from "./progress.js";
export { run } from "./run.js";
export { showEvent } from "./show-event.js";
export { bold, say, table } from "./terminal.js";
