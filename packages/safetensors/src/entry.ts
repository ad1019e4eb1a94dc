// One entry of a header: a tensor's type, shape and place, read and checked.
import { bitsPerElement, type Dtype, dtypes, isDtype, tensorBytes } from "./dtypes.js";
import { quote, SafetensorsError, type SafetensorsErrorCode } from "./errors.js";
import type { JsonScanner } from "./json.js";

/** One tensor of a file; `begin` and `end` are byte offsets within the file's data section. */
export interface TensorInfo {
  name: string;
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

const MAX_RANK = 8;
const MAX_NAME_BYTES = 4096;
export const DAMAGED = "The file is damaged or was cut short; fetch or write it again.";

export type Failure = (code: SafetensorsErrorCode, message: string) => never;

/** A function that throws for this file, and this tensor of it. */
export function failure(path: string | undefined, tensor?: string): Failure {
  return (code, message) => {
    throw new SafetensorsError(code, message, { path, tensor });
  };
}

/** Reads `{"dtype", "shape", "data_offsets"}` of the tensor `name`. */
export function readTensor(scanner: JsonScanner, name: string, path: string | undefined): TensorInfo {
  const fail = failure(path, name);
  checkName(name, fail);
  if (scanner.value() !== "{") fail("NOT_OBJECT", `must be {"dtype", "shape", "data_offsets"}, is ${scanner.found()}.`);
  const fields: { dtype?: Dtype; shape?: number[]; data_offsets?: number[] } = {};
  scanner.object((key) => {
    switch (key) {
      case "dtype":
        fields.dtype = readDtype(scanner, fail);
        break;
      case "shape":
        fields.shape = readIntegers(scanner, key, MAX_RANK, "SHAPE_RANK", "DIM", fail);
        break;
      case "data_offsets":
        fields.data_offsets = readIntegers(scanner, key, 2, "OFFSETS", "OFFSETS", fail);
        break;
      default:
        fail("UNKNOWN_FIELD", `unknown field ${quote(key)}; there are dtype, shape and data_offsets.`);
    }
  });
  const { dtype, shape, data_offsets: offsets } = fields;
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    const missing = ["dtype", "shape", "data_offsets"].filter((key) => !(key in fields));
    return fail("FIELD_MISSING", `has no ${missing.join(" and no ")}. ${DAMAGED}`);
  }
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || end < begin)
    return fail("OFFSETS", `data_offsets must be [begin, end] with begin ≤ end, found [${offsets}]. ${DAMAGED}`);
  const info = { name, dtype, shape, begin, end };
  checkSize(info, fail);
  return info;
}

function readDtype(scanner: JsonScanner, fail: Failure): Dtype {
  if (scanner.value() !== '"') fail("DTYPE", `dtype must be a string, is ${scanner.found()}.`);
  const found = scanner.string();
  return isDtype(found) ? found : fail("DTYPE", `unknown dtype ${quote(found)}; known: ${dtypes.join(", ")}.`);
}

/** `[0, 1, …]` of whole numbers that a JS number holds exactly; at most `most` of them. */
function readIntegers(
  scanner: JsonScanner,
  field: string,
  most: number,
  tooMany: SafetensorsErrorCode,
  notInteger: SafetensorsErrorCode,
  fail: Failure,
): number[] {
  const values: number[] = [];
  if (scanner.value() !== "[") fail(tooMany, `${field} must be a list of whole numbers, is ${scanner.found()}.`);
  scanner.array(() => {
    scanner.value();
    const literal = scanner.number();
    const value = literal !== undefined && /^[0-9]+$/.test(literal) ? Number(literal) : -1;
    if (value < 0 || !Number.isSafeInteger(value)) {
      const found = literal ?? scanner.found();
      fail(notInteger, `${field}[${values.length}] must be a whole number from 0 to 2^53 - 1, found ${found}.`);
    }
    if (values.length === most) fail(tooMany, `${field} has more than ${most} numbers.`);
    values.push(value);
  });
  return values.slice(); // of its length: an array that grew by push keeps room for 17
}

function checkName(name: string, fail: Failure): void {
  if (name.includes("\u0000")) fail("NAME", "a name may not contain U+0000. Rename the tensor where the file is made.");
  if (name === "__proto__") fail("NAME", "this name is refused. Rename the tensor where the file is made.");
  if (name.length > MAX_NAME_BYTES || Buffer.byteLength(name) > MAX_NAME_BYTES)
    fail("NAME", `a name of ${Buffer.byteLength(name)} bytes; at most ${MAX_NAME_BYTES} are read.`);
}

function checkSize({ dtype, shape, begin, end }: TensorInfo, fail: Failure): void {
  const bytes = tensorBytes(dtype, shape);
  if (bytes === end - begin) return;
  const what = `shape [${shape.join(", ")}] of ${dtype}`;
  if (bytes === "overflow") fail("OVERFLOW", `${what} has more bytes than 2^53 - 1.`);
  if (bytes === "partial byte")
    fail("SIZE_MISMATCH", `${what} at ${bitsPerElement(dtype)} bits an element does not fill whole bytes.`);
  fail("SIZE_MISMATCH", `${what} takes ${bytes} bytes, data_offsets [${begin}, ${end}] give ${end - begin}.`);
}
