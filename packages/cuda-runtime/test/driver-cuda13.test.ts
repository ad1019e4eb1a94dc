// Handles, copies and streams against a mock driver of CUDA 13.0.
import { describe } from "vitest";
import { driverSuite } from "./mock/driver.js";
import { useMock } from "./mock/mock.js";

useMock(13000);
describe("CUDA 13.0", () => driverSuite("13.0"));
