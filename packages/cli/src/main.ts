#!/usr/bin/env node
// The qlora command.
import { keepHeapSmall } from "./heap.js";

keepHeapSmall();

// A reader that has seen enough (`qlora inspect … | head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

import("./run.js")
  .then(({ run }) => run(process.argv.slice(2)))
  .then((code) => {
    process.exitCode = code;
  });
