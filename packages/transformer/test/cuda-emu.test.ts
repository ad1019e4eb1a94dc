// Models on the emulated device; every kernel has its own tests in all six schedules.
import { describe } from "vitest";
import modelSuite from "./cuda/model.suite.js";

describe("cuda-emu", () => modelSuite("cuda-emu"));
