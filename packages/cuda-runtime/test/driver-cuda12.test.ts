// Handles, copies and streams against a mock driver of CUDA 12.1.
import { describe } from "vitest";
import { driverSuite } from "./mock/driver.js";
import { useMock } from "./mock/mock.js";

useMock(12010);
describe("CUDA 12.1", () => driverSuite("12.1"));
