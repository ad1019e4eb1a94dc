// The products' kernels without Node (test/native/products_check.cc).
import { checkKernels } from "../../../vitest.native.js";
import { simds } from "../src/index.js";

checkKernels(import.meta.url, "products", 2464, simds());
