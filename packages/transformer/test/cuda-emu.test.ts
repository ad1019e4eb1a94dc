// Models on the emulated device, in the two orders that differ most; every kernel has its own tests in all six.
import { describe } from "vitest";
import { modelSuite } from "./cuda/model.suite.js";

describe("cuda-emu", () => modelSuite("cuda-emu"));
