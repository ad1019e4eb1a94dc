// State out of and into pages: whole arrays for each parameter, whatever its segments.
import { copy } from "@qlora/cuda-runtime";
import { onDevice } from "./cuda.js";
import { type Format, type Segment, type Slot, type StateArray, slotLength, slots } from "./layout.js";
import type { Parameter, StateDict, StateTensor } from "./types.js";

interface Entry {
  parameter: Parameter;
  format: Format;
  length: number;
}
/** Calls `use` for each segment of a parameter in order. */
type Visit = (parameter: number, use: (segment: Segment, entry: Entry, arrays: StateArray[]) => void) => void;

const start = (slot: Slot, segment: Segment) => segment.from / slot.per;

export function* stateTensors(entries: readonly Entry[], visit: Visit): Iterable<StateTensor> {
  for (const [index, { parameter, format, length }] of entries.entries())
    for (const [i, slot] of slots(format).entries()) {
      const elements = slotLength(slot, length);
      const data = (into = new ArrayBuffer(elements * (slot.dtype === "U8" ? 1 : 4))) => {
        const whole = slot.dtype === "U8" ? new Uint8Array(into, 0, elements) : new Float32Array(into, 0, elements);
        visit(index, (segment, _, arrays) => {
          const array = arrays[i]!;
          const from = start(slot, segment);
          if (onDevice(array)) copy(whole.subarray(from, from + array.length), array);
          else whole.set(array, from);
        });
        return whole;
      };
      yield { name: `${parameter.name}.${slot.key}`, dtype: slot.dtype, shape: [elements], data };
    }
}

export function loadTensors(entries: readonly Entry[], tensors: StateDict["tensors"], visit: Visit): void {
  const known = new Set<string>();
  for (const [index, { parameter, format, length }] of entries.entries()) {
    const sources = slots(format).map((slot) => {
      const name = `${parameter.name}.${slot.key}`;
      known.add(name);
      return checked(tensors.get(name), name, slot, slotLength(slot, length));
    });
    visit(index, (segment, _, arrays) => {
      for (const [i, slot] of slots(format).entries()) {
        const from = start(slot, segment);
        arrays[i]!.set(sources[i]!.subarray(from, from + arrays[i]!.length) as Float32Array<ArrayBuffer>);
      }
    });
  }
  if (tensors instanceof Map)
    for (const name of tensors.keys())
      if (!known.has(name))
        throw new TypeError(`${name} belongs to no parameter of this optimiser (or to other bits or bf16 options)`);
}

function checked(
  data: ArrayBufferView | undefined,
  name: string,
  slot: Slot,
  length: number,
): Float32Array | Uint8Array {
  const type = slot.dtype === "U8" ? Uint8Array : Float32Array;
  if (data === undefined) throw new TypeError(`${name} is missing from the state`);
  if (!(data instanceof type)) throw new TypeError(`${name} must be a ${type.name}, got ${data.constructor.name}`);
  if (data.length !== length) throw new RangeError(`${name} has ${data.length} elements, needs ${length}`);
  return data;
}
