#!/usr/bin/env node
// The command of @qlora/cli under the name that people type: npx qlora.
import "@qlora/cli/main";
