// The checks of napi.h in TypeScript, with the same messages: for the fallback, whose arguments no addon checks.
// Arguments are given as { name: value }, several alike at once.
type Named<T> = Readonly<Record<string, T>>;

export function numbers(named: Named<number>): void {
  for (const [name, value] of Object.entries(named))
    if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
}

/** Numbers of elements. */
export function sizes(named: Named<number>): void {
  numbers(named);
  for (const [name, value] of Object.entries(named))
    if (!(value >= 0 && value <= 2 ** 53 && Number.isInteger(value)))
      throw new RangeError(`${name} must be a whole number ≥ 0, got ${value}`);
}

export function flags(named: Named<boolean>): void {
  for (const [name, value] of Object.entries(named))
    if (typeof value !== "boolean") throw new TypeError(`${name} must be a boolean`);
}

/** a · b, refusing what is too large to be counted. */
export function product(a: number, b: number, what: string): number {
  if (a * b > 2 ** 53) throw new RangeError(`${what} is too large: ${a} × ${b}`);
  return a * b;
}

const arrays =
  <T extends { length: number }>(...types: { new (n: number): T; readonly name: string }[]) =>
  (named: Named<T>, elements: number): void => {
    for (const [name, x] of Object.entries(named)) {
      if (!types.some((type) => x instanceof type))
        throw new TypeError(`${name} must be a ${types.map((type) => type.name).join(" or a ")}`);
      if (x.length < elements) throw new RangeError(`${name} has ${x.length} elements, needs ${elements}`);
    }
  };

export const floats = arrays<Float32Array>(Float32Array);
export const bytes = arrays<Uint8Array>(Uint8Array);
export const halves = arrays<Uint16Array>(Uint16Array);
export const ints = arrays<Int32Array>(Int32Array);
export const weights = arrays<Float32Array | Uint16Array>(Float32Array, Uint16Array);
