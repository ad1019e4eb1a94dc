// Each backward of the reference against central differences of its forward, in float64. oracle.test.ts compares the
// addon with it.
import { expect, test } from "vitest";
import * as reference from "../src/reference.js";
import { DIFFERENCES, differences, expectClose, f64, random, weigh } from "./compare.js";

const values = (n: number, seed: number) => f64(random(n, seed));

test("rmsNorm", () => {
  const [m, d] = [3, 7];
  const sizes = { m, d, eps: 1e-3 };
  const [x, weight, dy] = [values(m * d, 1), values(d, 2), values(m * d, 3)];
  const [y, invRms] = [new Float64Array(m * d), new Float64Array(m)];
  const loss = () => {
    reference.rmsNorm(x, weight, y, invRms, sizes);
    return weigh(y, dy);
  };
  loss();
  const [dx, dweight] = [values(m * d, 4), values(d, 5)];
  const [dx0, dweight0] = [dx.slice(), dweight.slice()];
  reference.rmsNormBackward(dy, x, weight, invRms, dx, dweight, sizes);
  expectClose(
    dx,
    differences(x, loss).map((g, i) => g + dx0[i]!),
    DIFFERENCES,
  );
  expectClose(
    dweight,
    differences(weight, loss).map((g, i) => g + dweight0[i]!),
    DIFFERENCES,
  );
});

test("rope: its inverse is its transpose", () => {
  const sizes = { m: 2, heads: 2, headDim: 6 };
  const positions = Int32Array.of(4, 1);
  const tables = { cos: values(15, 1).map(Math.cos), sin: values(15, 1).map(Math.sin) };
  const [x, dy] = [values(24, 2), values(24, 3)];
  const loss = () => {
    const y = x.slice();
    reference.rope(y, positions, tables, sizes);
    return weigh(y, dy);
  };
  const dx = dy.slice();
  reference.rope(dx, positions, tables, { ...sizes, inverse: true });
  expectClose(dx, differences(x, loss), DIFFERENCES);
});

test("attention", () => {
  const options = { heads: 4, kvHeads: 2, headDim: 3, scale: 0.7 };
  const [cuQ, cuK] = [Int32Array.of(0, 3, 5, 8), Int32Array.of(0, 3, 6, 7)]; // equal, with a cache, and rows that see nothing
  const [q, k, v] = [values(8 * 12, 1), values(7 * 6, 2), values(7 * 6, 3)];
  const [out, lse, dout] = [new Float64Array(q.length), new Float64Array(4 * 8), values(q.length, 4)];
  const loss = () => {
    reference.attention(q, k, v, out, lse, cuQ, cuK, options);
    return weigh(out, dout);
  };
  loss();
  const [dq, dk, dv] = [q, k, v].map((x) => new Float64Array(x.length)) as [Float64Array, Float64Array, Float64Array];
  reference.attentionBackward(dout, q, k, v, out, lse, cuQ, dq, dk, dv, { ...options, cuK });
  expectClose(dq, differences(q, loss), DIFFERENCES);
  expectClose(dk, differences(k, loss), DIFFERENCES);
  expectClose(dv, differences(v, loss), DIFFERENCES);
});

test("swiglu", () => {
  const n = 9;
  const [gate, up, dy, y] = [values(n, 1), values(n, 2), values(n, 3), new Float64Array(n)];
  const loss = () => {
    reference.swiglu(gate, up, y, { n });
    return weigh(y, dy);
  };
  const [dgate, dup] = [new Float64Array(n), new Float64Array(n)];
  reference.swigluBackward(dy, gate, up, dgate, dup, { n });
  expectClose(dgate, differences(gate, loss), DIFFERENCES);
  expectClose(dup, differences(up, loss), DIFFERENCES);
});

test("crossEntropy", () => {
  const [m, v] = [4, 5];
  const labels = Int32Array.of(2, -100, 0, 4);
  const [logits, losses] = [values(m * v, 1), new Float64Array(m)];
  const loss = () => {
    reference.crossEntropy(logits, labels, losses, { m, v, gradient: false });
    return 0.25 * losses.reduce((a, b) => a + b);
  };
  const numeric = differences(logits, loss);
  reference.crossEntropy(logits, labels, losses, { m, v, scale: 0.25 });
  expectClose(logits, numeric, DIFFERENCES);
  expect([...logits.subarray(v, 2 * v)]).toEqual([0, 0, 0, 0, 0]);
});

test("embedding", () => {
  const sizes = { m: 4, d: 3, vocab: 5 };
  const ids = Int32Array.of(2, 0, 2, 4);
  const [table, dy, y, dtable] = [values(15, 1), values(12, 2), new Float64Array(12), new Float64Array(15)];
  const loss = () => {
    reference.embedding(ids, table, y, sizes);
    return weigh(y, dy);
  };
  reference.embeddingBackward(ids, dy, dtable, sizes);
  expectClose(dtable, differences(table, loss), DIFFERENCES);
});

test("dropout: the same call on dy", () => {
  const options = { n: 200, p: 0.3, seed: 9n, offset: 5 };
  const [x, dy, y, dx] = [values(200, 1), values(200, 2), new Float64Array(200), new Float64Array(200)];
  const loss = () => {
    reference.dropout(x, y, options);
    return weigh(y, dy);
  };
  reference.dropout(dy, dx, options);
  expectClose(dx, differences(x, loss), DIFFERENCES);
});
