// Arrays for results that are written as a whole: Node need not clear them first, which costs as much as some kernels.
type Numbers = Uint8Array | Uint16Array | Float32Array;
type Constructor<T> = { new (n: number): T; new (buffer: ArrayBuffer, begin: number, n: number): T };

/** Bytes from which on clearing shows, and up to which system memory is used again rather than asked for anew (and clear). */
const [least, most] = [2 ** 16, 2 ** 25];

/** An array of n elements of any values; all must be written before anyone sees it. */
export function unfilled<T extends Numbers>(type: Constructor<T> & { BYTES_PER_ELEMENT: number }, n: number): T {
  const bytes = n * type.BYTES_PER_ELEMENT;
  if (typeof Buffer === "undefined" || bytes < least || bytes > most) return new type(n);
  return new type(Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer, 0, n);
}
