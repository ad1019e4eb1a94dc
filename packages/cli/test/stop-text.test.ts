// A text that ends an answer, however the pieces cut it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { StopText } from "../src/stop-text.js";

function shown(pieces: readonly string[], stop: string | undefined): string {
  const gate = new StopText(stop);
  return pieces.map((piece) => gate.push(piece)).join("") + gate.end();
}

test.each([
  [["Hello", "\n", "\nBye"], "\n\n", "Hello"],
  [["Hello\n", "x\n", "y"], "\n\n", "Hello\nx\ny"],
  [["aab", "aac"], "aaac", "aabaac"],
  [["aa", "aac", "rest"], "aaac", "a"],
  [["User", ":"], "User:", ""],
  [["almost Use"], "User:", "almost Use"],
  [["a", "b"], undefined, "ab"],
])("%j until %j", (pieces, stop, expected) => expect(shown(pieces, stop)).toBe(expected));

test("it is the text before the first stop", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 6 });
  fc.assert(
    fc.property(
      fc.array(letters, { maxLength: 8 }),
      fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 }),
      (pieces, stop) => {
        expect(shown(pieces, stop)).toBe(pieces.join("").split(stop)[0]);
      },
    ),
  );
});
