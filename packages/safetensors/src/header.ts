// The header of a safetensors file: length, JSON, and the checks that make every byte of the file accounted for.
import { DAMAGED, type Failure, failure, readTensor, type TensorInfo } from "./entry.js";
import { quote } from "./errors.js";
import { JsonScanner } from "./json.js";

export interface Header {
  tensors: Map<string, TensorInfo>;
  metadata: Map<string, string>;
  /** Where the data section begins in the file, in bytes. */
  dataOffset: number;
}

/** Checked before anything is allocated. The format itself allows headers of 100 000 000 bytes. */
export interface HeaderLimits {
  /** Bytes of JSON; 16 MiB unless told. */
  maxHeaderBytes?: number;
  /** 200 000 unless told. */
  maxTensors?: number;
}

export const DEFAULT_MAX_HEADER_BYTES = 16 * 2 ** 20;
const DEFAULT_MAX_TENSORS = 200_000;

/**
 * The length of the JSON, from the file's first 8 bytes (little-endian u64).
 * @throws {SafetensorsError} HEADER_TOO_SMALL, HEADER_TOO_LARGE, HEADER_TRUNCATED
 */
export function headerLength(prefix: Uint8Array, fileSize: number, path?: string, limits: HeaderLimits = {}): number {
  const fail = failure(path);
  if (prefix.length < 8 || fileSize < 8)
    return fail("HEADER_TOO_SMALL", `${fileSize} bytes are too few for a safetensors file (at least 10). ${DAMAGED}`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, 8);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  const most = limits.maxHeaderBytes ?? DEFAULT_MAX_HEADER_BYTES;
  if (length > most)
    fail(
      "HEADER_TOO_LARGE",
      `the first 8 bytes announce a header of ${length} bytes, at most ${most} are read. ${lookalike(prefix)}`,
    );
  if (length > fileSize - 8)
    fail("HEADER_TRUNCATED", `a header of ${length} bytes is announced, ${fileSize - 8} follow. ${DAMAGED}`);
  if (length < 2) fail("HEADER_TOO_SMALL", `a header of ${length} bytes is announced, "{}" takes 2. ${DAMAGED}`);
  return length;
}

/** What else begins with these 8 bytes. */
function lookalike(prefix: Uint8Array): string {
  const text = String.fromCharCode(...prefix.subarray(0, 8));
  if (text === "version ") return "It is a Git LFS pointer, not the file itself: run `git lfs pull`.";
  if (text.startsWith("PK\u0003\u0004"))
    return "It is a zip archive, as PyTorch's own format is: save it as safetensors.";
  if (text.startsWith("GGUF")) return "It is a GGUF file.";
  return "Either this is no safetensors file, or raise maxHeaderBytes.";
}

/**
 * Reads and checks a header.
 * @param bytes the beginning of the file: 8 bytes of length and the JSON, or more
 * @param fileSize bytes of the whole file
 * @param path for messages
 * @throws {SafetensorsError} with one code a cause
 */
export function parseHeader(bytes: Uint8Array, fileSize: number, path?: string, limits: HeaderLimits = {}): Header {
  const fail = failure(path);
  const length = headerLength(bytes, fileSize, path, limits);
  if (bytes.length < 8 + length)
    throw new RangeError(`bytes must hold the whole header, ${8 + length} bytes, got ${bytes.length}`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + length));
  } catch {
    return fail("UTF8", `the header is not UTF-8. ${DAMAGED}`);
  }
  const begin = text.search(/[^ ]/);
  if (text.charAt(begin) !== "{") {
    const json = /^(?:["[0-9-]|true|false|null)/.test(text.slice(begin));
    const code = json ? "NOT_OBJECT" : "JSON";
    fail(code, `the header must be a JSON object, it begins with ${quote(text.slice(begin, begin + 24))}. ${DAMAGED}`);
  }
  const metadata = new Map<string, string>();
  const tensors: TensorInfo[] = [];
  const most = limits.maxTensors ?? DEFAULT_MAX_TENSORS;
  const scanner = new JsonScanner(text, fail);
  scanner.object((name) => {
    if (name === "__metadata__") readMetadata(scanner, metadata, fail);
    else {
      if (tensors.length === most)
        fail("TOO_MANY_TENSORS", `more than ${most} tensors. Raise maxTensors if the file is to be trusted.`);
      tensors.push(readTensor(scanner, name, path));
    }
  });
  scanner.end();
  checkCoverage(tensors, fileSize - 8 - length, path);
  return { tensors: new Map(tensors.map((info) => [info.name, info])), metadata, dataOffset: 8 + length };
}

function readMetadata(scanner: JsonScanner, metadata: Map<string, string>, fail: Failure): void {
  const wrong = (what: string) => fail("METADATA_TYPE", `${what} is ${scanner.found()}.`);
  if (scanner.value() !== "{") wrong("__metadata__ must be an object of strings, it");
  scanner.object((key) => {
    if (scanner.value() !== '"') wrong(`__metadata__ must hold strings only, ${quote(key)}`);
    metadata.set(key, scanner.string());
  });
}

/** Tensors in the order of their bytes must follow each other from 0 to the end of the file. */
function checkCoverage(tensors: readonly TensorInfo[], dataSize: number, path: string | undefined): void {
  const inOrder = [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of inOrder) {
    if (begin !== at) {
      const kind = begin < at ? `overlaps another tensor's, which end at ${at}` : `leaves a hole after byte ${at}`;
      failure(path, name)("HOLE_OVERLAP", `data_offsets [${begin}, ${end}] ${kind}. ${DAMAGED}`);
    }
    at = end;
  }
  if (at < dataSize)
    failure(path)("COVERAGE", `${dataSize - at} bytes after the last tensor, which belong to none. ${DAMAGED}`);
  if (at > dataSize)
    failure(path)("COVERAGE", `the tensors take ${at} bytes, ${dataSize} follow the header. ${DAMAGED}`);
}
