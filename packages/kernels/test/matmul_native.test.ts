// The dense products' kernels without Node (test/native/matmul_check.cc).
import { checkKernels } from "../../../vitest.native.js";
import { simds } from "../src/index.js";

checkKernels(import.meta.url, "matmul", 3600, simds());
