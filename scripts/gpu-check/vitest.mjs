// What suites import from "vitest" on a GPU host: its own runner and expect, without the rest of it.
import { chai, JestAsymmetricMatchers, JestChaiExpect, JestExtend } from "@vitest/expect";

chai.use(JestExtend);
chai.use(JestChaiExpect);
chai.use(JestAsymmetricMatchers);

export { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "@vitest/runner";
export const { expect } = chai;
