// Ragged and padded batches hold the same sequences.
import fc from "fast-check";
import { expect, test } from "vitest";
import { collate, collatePadded, IGNORE, type Sequence, shiftLabels } from "../src/index.js";

const sequence = fc.array(fc.tuple(fc.nat(999), fc.boolean()), { minLength: 1, maxLength: 20 }).map(
  (x): Sequence => ({
    ids: Int32Array.from(x, ([id]) => id),
    labels: Int32Array.from(x, ([id, learnt]) => (learnt ? id : IGNORE)),
  }),
);
const sequences = fc.array(sequence, { minLength: 1, maxLength: 6 });

test("shiftLabels: what each position predicts", () => {
  expect([...shiftLabels(Int32Array.of(5, IGNORE, 7, 8))]).toEqual([IGNORE, 7, 8, IGNORE]);
  expect([...shiftLabels(Int32Array.of(5))]).toEqual([IGNORE]);
});

test("collate: sequences one after the other, targets shifted within each", () => {
  fc.assert(
    fc.property(sequences, (all) => {
      const batch = collate(all);
      expect(batch.cuSeqlens).toHaveLength(all.length + 1);
      expect(batch.cuSeqlens[0]).toBe(0);
      all.forEach(({ ids, labels }, i) => {
        const [from, to] = [batch.cuSeqlens[i]!, batch.cuSeqlens[i + 1]!];
        expect([...batch.ids.subarray(from, to)]).toEqual([...ids]);
        expect([...batch.labels.subarray(from, to)]).toEqual([...labels]);
        expect([...batch.targets.subarray(from, to)]).toEqual([...labels.subarray(1), IGNORE]);
        expect([...batch.positions.subarray(from, to)]).toEqual([...ids.keys()]);
      });
      expect(batch.ids).toHaveLength(batch.cuSeqlens.at(-1)!);
      expect(batch.targetTokens).toBe(batch.targets.filter((x) => x !== IGNORE).length);
      expect(batch.maxLength).toBe(Math.max(...all.map((x) => x.ids.length)));
    }),
  );
});

test("collatePadded: rows padded on the right, masked there", () => {
  fc.assert(
    fc.property(sequences, fc.integer({ min: 1, max: 8 }), (all, multipleOf) => {
      const { rows, columns, ids, labels, attentionMask } = collatePadded(all, { padId: 1000, multipleOf });
      expect([rows, columns % multipleOf]).toEqual([all.length, 0]);
      expect(columns - Math.max(...all.map((x) => x.ids.length))).toBeLessThan(multipleOf);
      all.forEach((x, row) => {
        const pad = Array(columns - x.ids.length);
        const part = (a: ArrayLike<number>) => Array.from(a).slice(row * columns, (row + 1) * columns);
        expect(part(ids)).toEqual([...x.ids, ...pad.fill(1000)]);
        expect(part(labels)).toEqual([...x.labels, ...pad.fill(IGNORE)]);
        expect(part(attentionMask)).toEqual([...x.ids.map(() => 1), ...pad.fill(0)]);
      });
    }),
  );
});

test("what cannot be a batch", () => {
  const bad: Sequence = { ids: Int32Array.of(1, 2), labels: Int32Array.of(1) };
  expect(() => collate([])).toThrow(/at least one/);
  expect(() => collate([bad])).toThrow(/sequence 0 has 2 ids and 1 labels/);
  expect(() => collatePadded([{ ids: new Int32Array(0), labels: new Int32Array(0) }], { padId: 0 })).toThrow(
    RangeError,
  );
  expect(() =>
    collatePadded([{ ids: Int32Array.of(1), labels: Int32Array.of(1) }], { padId: 0, multipleOf: 0 }),
  ).toThrow(/multipleOf/);
});
