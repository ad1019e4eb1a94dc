#!/usr/bin/env node
// The qlora command.
export {};
