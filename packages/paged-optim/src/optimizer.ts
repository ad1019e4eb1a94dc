// What all optimisers share: groups, pages of state, the step over them.
import type { DeviceId } from "@qlora/cuda-runtime";
import { cudaKernels, onDevice } from "./cuda.js";
import { DeviceState } from "./device-state.js";
import { packHyper } from "./hyper.js";
import { type Format, layout, type Segment, type StateArray, views } from "./layout.js";
import { type Native, native } from "./native.js";
import { clipFactor, firstNonFinite, gradNorm } from "./norm.js";
import { PagedState, type PagedStateOptions, type PagingCounters } from "./paged.js";
import type { Rule, Settings } from "./rules.js";
import { deviceOf, formatOf, isHalf, readGroups } from "./settings.js";
import { loadTensors, stateTensors } from "./state.js";
import { MemoryState, type StateStore } from "./store.js";
import type { CommonOptions, Group, Parameter, StateDict, StateTensor, StepOptions, StepResult } from "./types.js";

/** What the constructor takes besides the numbers. */
export interface PlacementOptions {
  /** Keeps the state in a file, at most `budget` bytes of it in memory. Default: all in memory, or on the parameters' device. */
  paging?: PagedStateOptions;
  /** Or any other place for it; the optimiser then owns and disposes it. */
  store?: StateStore;
  /** Of stochastic rounding: the same seed, parameters and steps give the same bits. Whole number, 0 … 2^53. Default 0. */
  seed?: number;
}

export interface Entry {
  parameter: Parameter;
  format: Format;
  length: number;
  group: number;
}

/** The native functions of the host or of a device: all arrays of a call are of one kind. */
type AnyArray = StateArray | Parameter["data"];
type AnyNative = Native<AnyArray, AnyArray, AnyArray>;

const place = (device: DeviceId | undefined) => (device === undefined ? "the host" : `device ${device}`);

export abstract class Optimizer<O extends CommonOptions> implements Disposable {
  readonly #rule: Rule<Settings<O>>;
  readonly #groups: { settings: Settings<O>; ratio: number }[];
  readonly #lr: number;
  readonly #entries: Entry[];
  readonly #pages: Segment[][]; // the segments of each page
  readonly #store: StateStore;
  readonly #bytes: number;
  readonly #random: Uint32Array;
  #steps = 0;
  #broken: string | undefined;

  /** @internal */
  protected constructor(
    rule: Rule<Settings<O>>,
    parameters: readonly Parameter[] | readonly Group<O>[],
    options: O & PlacementOptions,
  ) {
    const { store, paging, seed = 0, ...common } = options;
    if (store && paging) throw new TypeError("give either store or paging, not both");
    if (!(Number.isSafeInteger(seed) && seed >= 0))
      throw new RangeError(`seed must be a whole number ≥ 0, got ${seed}`);
    const groups = readGroups<O>(rule, parameters, common as unknown as O);
    this.#rule = rule;
    this.#lr = groups.lr;
    this.#groups = groups.groups;
    this.#entries = groups.entries.map((entry) => ({
      ...entry,
      format: formatOf(rule.states, entry.parameter, entry),
    }));
    this.#random = Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32), 0, 0);
    const device = deviceOf(this.parameters);
    if (paging && device !== undefined)
      throw new TypeError(
        "paging to a file is for parameters on the host: give store: new DeviceState({ device, budget })",
      );
    if (store && store.device !== device)
      throw new TypeError(`the parameters are on ${place(device)}, the store serves ${place(store.device)}`);
    this.#store =
      store ??
      (device !== undefined ? new DeviceState({ device }) : paging ? new PagedState(paging) : new MemoryState());
    const { segments, pages } = layout(this.#entries, this.#store);
    this.#pages = pages.map(() => []);
    for (const segment of segments) this.#pages[segment.page]!.push(segment);
    this.#bytes = pages.reduce((sum, bytes) => sum + bytes, 0);
    this.#store.open(pages);
  }

  /** Its name in a state dictionary. */
  get algorithm(): string {
    return this.#rule.name;
  }

  /** Steps applied so far. */
  get steps(): number {
    return this.#steps;
  }

  /** In the order of groups and of parameters within them. */
  get parameters(): readonly Parameter[] {
    return this.#entries.map(({ parameter }) => parameter);
  }

  /** Bytes of the state, in memory or in the file. */
  get stateBytes(): number {
    return this.#bytes;
  }

  /** What paging has cost so far; undefined where the state is in memory. */
  get paging(): Readonly<PagingCounters> | undefined {
    return this.#store instanceof PagedState ? this.#store.counters : undefined;
  }

  /** Where the state lives. */
  get store(): StateStore {
    return this.#store;
  }

  /**
   * One step: reads every gradient, updates every parameter and its state in place.
   *
   * First the global norm (unless given) shows whether all gradients are finite; when one is not, nothing changes and the
   * result says whose. Otherwise one pass over memory scales, clips, decays and updates.
   * @throws {PagedStateError} when the state's file fails; the optimiser then stays unusable (its parameters are half updated).
   */
  step({ lr = this.#lr, gradScale = 1, maxNorm, gradNorm: known }: StepOptions = {}): StepResult {
    this.#checkWhole();
    if (!(lr >= 0 && lr < Number.POSITIVE_INFINITY)) throw new RangeError(`lr must be finite and ≥ 0, got ${lr}`);
    if (!Number.isFinite(gradScale)) throw new RangeError(`gradScale must be finite, got ${gradScale}`);
    if (maxNorm !== undefined && !(maxNorm > 0)) throw new RangeError(`maxNorm must be > 0, got ${maxNorm}`);
    const norm = (known ?? gradNorm(this.parameters)) * Math.abs(gradScale);
    if (!Number.isFinite(norm)) {
      const nonFinite = firstNonFinite(this.parameters);
      return { applied: false, gradNorm: norm, clip: 1, ...(nonFinite === undefined ? {} : { nonFinite }) };
    }
    const clip = maxNorm === undefined ? 1 : clipFactor(norm, maxNorm);
    const t = this.#steps + 1;
    const hypers = this.#groups.map(({ settings, ratio }) =>
      packHyper({ scale: gradScale * clip, ...this.#rule.hyper(settings, lr * ratio, t) }),
    );
    this.#random[3] = t;
    this.#broken = "the last step failed halfway: load a state into a new optimiser";
    this.#visit(true, (segment, entry, arrays) => this.#update(segment, entry, arrays, hypers[entry.group]!));
    this.#broken = undefined;
    this.#steps = t;
    return { applied: true, gradNorm: norm, clip };
  }

  #update({ parameter: index, from, to }: Segment, entry: Entry, arrays: StateArray[], hyper: Float32Array): void {
    const { parameter, format, length } = entry;
    const whole = from === 0 && to === length;
    const states = format.states.length;
    const absmax = (i: number) => (format.bits === 8 && i < states ? arrays[states + i]! : null);
    const state = (i: number) => (i < states ? arrays[i]! : null);
    this.#random[2] = index;
    const { step } = (onDevice(parameter.data) ? cudaKernels(parameter.data.device) : native) as Pick<
      AnyNative,
      "step"
    >;
    step(
      this.#rule.id,
      to - from,
      whole ? parameter.data : parameter.data.subarray(from, to),
      whole ? parameter.grad : parameter.grad.subarray(from, to),
      hyper,
      state(0),
      state(1),
      state(2),
      absmax(0),
      absmax(1),
      absmax(2),
      format.master ? arrays.at(-1)! : null,
      isHalf(parameter) && !format.master ? this.#random : null,
      from,
    );
  }

  /** Calls `use` for every segment (of one parameter), page after page, with the arrays of its state. */
  #visit(changes: boolean, use: (segment: Segment, entry: Entry, arrays: StateArray[]) => void, only?: number): void {
    for (const [page, all] of this.#pages.entries()) {
      const segments = only === undefined ? all : all.filter(({ parameter }) => parameter === only);
      if (segments.length === 0) continue;
      const { memory, fresh } = this.#store.acquire(page);
      const arrays = ({ parameter, from, to, offset }: Segment) =>
        views(this.#entries[parameter]!.format, to - from, memory, offset);
      try {
        if (fresh) for (const segment of all) this.#initialise(segment, arrays(segment));
        for (const segment of segments) use(segment, this.#entries[segment.parameter]!, arrays(segment));
      } finally {
        this.#store.release(page, changes || fresh);
      }
    }
  }

  /** A state that a fault has left half changed must not go on, into a step or into a checkpoint. */
  #checkWhole(): void {
    if (this.#broken) throw new Error(this.#broken);
  }

  /** States begin as zero, which the page is; master weights as the parameter is now. */
  #initialise({ parameter: index, from, to }: Segment, arrays: StateArray[]): void {
    const { parameter, format } = this.#entries[index]!;
    if (!format.master) return;
    const { widen } = (onDevice(parameter.data) ? cudaKernels(parameter.data.device) : native) as Pick<
      AnyNative,
      "widen"
    >;
    widen(parameter.data.subarray(from, to), arrays.at(-1)!);
  }

  /**
   * The state, array by array in the order of parameters: `<parameter>.<m | v | …>` f32 [n]; with 8 bits u8 codes [n] and
   * `<parameter>.<m | …>.absmax` f32 [ceil(n / 256)]; `<parameter>.master` f32 [n]. Nothing is read until `data` is called.
   */
  stateTensors(): Iterable<StateTensor> {
    return stateTensors(this.#entries, (index, use) => {
      this.#checkWhole();
      this.#visit(false, use, index);
    });
  }

  /** The whole state in memory at once; `stateTensors` gives the same piece by piece. */
  stateDict(): { algorithm: string; step: number; tensors: Map<string, Float32Array | Uint8Array> } {
    const tensors = new Map<string, Float32Array | Uint8Array>();
    for (const { name, data } of this.stateTensors()) tensors.set(name, data());
    return { algorithm: this.#rule.name, step: this.#steps, tensors };
  }

  /**
   * Continues from a state: `tensors` is a Map or anything else with `get`, asked once for each array in the order of
   * `stateTensors`. The parameters themselves are the caller's to restore.
   * @throws {TypeError | RangeError} for another algorithm, a missing array, a wrong type or length, or, of a Map, an array too
   * many; the optimiser then refuses to step until a load succeeds.
   */
  loadStateDict({ algorithm, step, tensors }: StateDict): void {
    if (algorithm !== this.#rule.name)
      throw new TypeError(`the state is of ${algorithm}, this optimiser is ${this.#rule.name}`);
    if (!(Number.isSafeInteger(step) && step >= 0))
      throw new RangeError(`step must be a whole number ≥ 0, got ${step}`);
    this.#broken = "the last loadStateDict failed: load a state before the next step";
    loadTensors(this.#entries, tensors, (index, use) => this.#visit(true, use, index));
    this.#steps = step;
    this.#broken = undefined;
  }

  /** Frees the state; with paging, deletes its file. */
  [Symbol.dispose](): void {
    this.#broken = "the optimiser has been disposed";
    this.#store[Symbol.dispose]();
  }
}
