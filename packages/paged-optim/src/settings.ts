// Reads an optimiser's options and groups: checked, completed with defaults, with one entry for each parameter.
import type { DeviceArray, DeviceId } from "@qlora/cuda-runtime";
import { onDevice } from "./cuda.js";
import { type Format, min8bit } from "./layout.js";
import type { Rule, Settings } from "./rules.js";
import type { CommonOptions, Group, Parameter } from "./types.js";

interface Read {
  parameter: Parameter;
  length: number;
  group: number;
  bits: 32 | 8;
  bf16: "master" | "stochastic" | undefined;
}

/** Groups with their settings; `ratio` is a group's learning rate divided by the optimiser's. */
export function readGroups<O extends CommonOptions>(
  rule: Rule<Settings<O>>,
  parameters: readonly Parameter[] | readonly Group<O>[],
  options: O,
): { lr: number; groups: { settings: Settings<O>; ratio: number }[]; entries: Read[] } {
  const lr = options.lr ?? rule.defaults.lr;
  const names = new Set<string>();
  const entries: Read[] = [];
  const groups = asGroups(parameters).map((group, index) => {
    const { parameters, bits = 32, bf16, ...numbers } = { ...options, ...defined(group) };
    const settings = { ...rule.defaults, ...defined(numbers) } as Settings<O>;
    check(settings as Record<string, unknown>, rule.defaults as Record<string, unknown>);
    if (bits !== 32 && bits !== 8) throw new RangeError(`bits must be 32 or 8, got ${bits}`);
    if (bf16 !== undefined && bf16 !== "master" && bf16 !== "stochastic")
      throw new TypeError(`bf16 must be "master" or "stochastic", got ${bf16}`);
    if (lr === 0 && settings.lr !== 0)
      throw new RangeError("a group has a learning rate, so the optimiser's must not be 0");
    for (const parameter of parameters) {
      checkParameter(parameter, names);
      if (isHalf(parameter) && bf16 === undefined)
        throw new TypeError(
          `${parameter.name} is bf16: choose bf16: "master" (f32 weights in the state) or "stochastic" (rounding)`,
        );
      entries.push({ parameter, length: parameter.data.length, group: index, bits, bf16 });
    }
    return { settings, ratio: lr === 0 ? 1 : settings.lr / lr };
  });
  if (entries.length === 0) throw new TypeError("an optimiser needs at least one parameter");
  return { lr, groups, entries };
}

/** Whether a parameter is bf16. */
export const isHalf = ({ data }: Pick<Parameter, "data">): boolean =>
  onDevice(data) ? data.dtype === "bf16" : data instanceof Uint16Array;

/** The device of all parameters, undefined for the host. */
export function deviceOf(parameters: readonly Parameter[]): DeviceId | undefined {
  const [first, ...others] = parameters.map(({ data }) => (onDevice(data) ? data.device : undefined));
  if (others.some((device) => device !== first))
    throw new TypeError("all parameters of an optimiser must be on one device, or all on the host");
  return first;
}

/** How the state of a parameter is kept. */
export function formatOf(
  states: Format["states"],
  parameter: Pick<Parameter, "data">,
  { bits, bf16 }: Pick<Read, "bits" | "bf16">,
): Format {
  return { states, bits: parameter.data.length < min8bit ? 32 : bits, master: isHalf(parameter) && bf16 === "master" };
}

function asGroups<O>(parameters: readonly Parameter[] | readonly Group<O>[]): readonly Group<O>[] {
  if (!Array.isArray(parameters)) throw new TypeError("parameters must be an array of parameters or of groups");
  const groups = parameters.filter((item) => "parameters" in item);
  if (groups.length > 0 && groups.length < parameters.length)
    throw new TypeError("give either parameters or groups, not a mixture");
  return groups.length > 0 ? (groups as Group<O>[]) : [{ parameters } as unknown as Group<O>];
}

const defined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

const isDeviceArray = (x: unknown): x is DeviceArray => typeof x === "object" && x !== null && onDevice(x);

function checkParameter({ name, data, grad }: Parameter, names: Set<string>): void {
  if (typeof name !== "string" || name === "") throw new TypeError("a parameter has no name");
  if (names.has(name)) throw new TypeError(`two parameters are named ${name}`);
  names.add(name);
  if (isDeviceArray(data)) {
    if (data.dtype !== "f32" && data.dtype !== "bf16")
      throw new TypeError(`${name}.data must be f32 or bf16 on a device, got ${data.dtype}`);
    if (!isDeviceArray(grad) || grad.dtype !== "f32" || grad.device !== data.device)
      throw new TypeError(`${name}.grad must be f32 on device ${data.device}, where data is`);
  } else {
    if (!(data instanceof Float32Array || data instanceof Uint16Array))
      throw new TypeError(`${name}.data must be a Float32Array or a Uint16Array (bf16), or a device array`);
    if (!(grad instanceof Float32Array)) throw new TypeError(`${name}.grad must be a Float32Array`);
  }
  if (grad.length !== data.length)
    throw new RangeError(`${name}.grad has ${grad.length} elements, data has ${data.length}`);
}

function check(settings: Record<string, unknown>, defaults: Record<string, unknown>): void {
  const number = (name: string, value: unknown, ok: (x: number) => boolean, range: string) => {
    if (typeof value !== "number") throw new TypeError(`${name} must be a number, got ${value}`);
    if (!ok(value)) throw new RangeError(`${name} must be ${range}, got ${value}`);
  };
  const atLeast0 = (x: number) => x >= 0 && x < Number.POSITIVE_INFINITY;
  const below1 = (x: number) => x >= 0 && x < 1;
  for (const [name, value] of Object.entries(settings)) {
    if (!(name in defaults)) throw new TypeError(`unknown option ${name}`);
    if (name === "betas") {
      const count = (defaults.betas as number[]).length;
      if (!Array.isArray(value) || value.length !== count) throw new TypeError(`betas must be ${count} numbers`);
      for (const [i, beta] of (value as unknown[]).entries()) number(`betas[${i}]`, beta, below1, "in [0, 1)");
    } else if (name === "momentum") number(name, value, below1, "in [0, 1)");
    else if (name === "nesterov") {
      if (typeof value !== "boolean") throw new TypeError("nesterov must be a boolean");
    } else number(name, value, atLeast0, "finite and ≥ 0");
  }
}
