// Reading one safetensors file: the header once, then tensors by name with positioned reads.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { TensorInfo } from "./entry.js";
import { SafetensorsError, systemCode } from "./errors.js";
import { type Header, type HeaderLimits, headerLength, parseHeader } from "./header.js";

const MAX_READ = 2 ** 30; // a positioned read of 2 GiB or more is refused or cut short by the systems below Node

/** A part of a tensor, in bytes from the tensor's first. */
export interface ByteRange {
  begin?: number;
  end?: number;
}

/** Bytes of an open file. */
export interface TensorPlace {
  descriptor: number;
  offset: number;
  bytes: number;
}

/** An open file. Free the descriptor with `close()` or `using`. */
export class SafetensorsFile implements Disposable {
  readonly path: string;
  readonly tensors: Map<string, TensorInfo>;
  readonly metadata: Map<string, string>;
  /** Where the data section begins in the file, in bytes. */
  readonly dataOffset: number;
  #fd: number;

  /** @internal use `openSafetensors` */
  constructor(path: string, fd: number, header: Header) {
    this.path = path;
    this.tensors = header.tensors;
    this.metadata = header.metadata;
    this.dataOffset = header.dataOffset;
    this.#fd = fd;
  }

  /** The tensor's entry in the header. @throws {SafetensorsError} NO_TENSOR */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info === undefined)
      throw new SafetensorsError("NO_TENSOR", `not among the ${this.tensors.size} tensors of this file.`, {
        path: this.path,
        tensor: name,
      });
    return info;
  }

  /**
   * The bytes of a tensor in a buffer of their own (so any typed array may be laid over it).
   * @throws {SafetensorsError} NO_TENSOR, TENSOR_TOO_LARGE (more than one buffer can hold: use `readInto`), IO, COVERAGE, CLOSED
   */
  read(name: string): Uint8Array<ArrayBuffer> {
    const { begin, end } = this.info(name);
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = new Uint8Array(end - begin);
    } catch (cause) {
      const message = `${end - begin} bytes do not fit one buffer here. Read it in parts with readInto.`;
      throw new SafetensorsError("TENSOR_TOO_LARGE", message, { path: this.path, tensor: name, cause });
    }
    this.readInto(name, bytes);
    return bytes;
  }

  /**
   * Fills `target` with the bytes `begin` to `end` (default: all) of a tensor.
   * @throws {RangeError} when the range is not within the tensor or `target` has another length
   * @throws {SafetensorsError} NO_TENSOR, IO, COVERAGE (the file has become shorter), CLOSED
   */
  readInto(name: string, target: ArrayBufferView, range: ByteRange = {}): void {
    const info = this.info(name);
    const size = info.end - info.begin;
    const { begin = 0, end = size } = range;
    if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin || end > size)
      throw new RangeError(`range [${begin}, ${end}) is not within the ${size} bytes of tensor ${name}`);
    if (target.byteLength !== end - begin)
      throw new RangeError(`target must have ${end - begin} bytes for tensor ${name}, got ${target.byteLength}`);
    readAt(this.#open(), target, this.dataOffset + info.begin + begin, this.path, name);
  }

  /** Where the bytes of a tensor lie, for who maps them; the descriptor is this object's. @throws {SafetensorsError} NO_TENSOR, CLOSED */
  place(name: string): TensorPlace {
    const { begin, end } = this.info(name);
    return { descriptor: this.#open(), offset: this.dataOffset + begin, bytes: end - begin };
  }

  /** Closes the descriptor; later reads fail with CLOSED. Closing twice is allowed. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): number {
    if (this.#fd < 0)
      throw new SafetensorsError("CLOSED", "the file was closed; open it again to read.", { path: this.path });
    return this.#fd;
  }
}

/**
 * Opens a file and checks its whole header; no tensor is read yet.
 * @throws {SafetensorsError} NOT_FOUND, IO, or one of the header's codes
 */
export function openSafetensors(path: string, limits: HeaderLimits = {}): SafetensorsFile {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)); // without it a named pipe would wait for a writer
  } catch (cause) {
    const missing = systemCode(cause) === "ENOENT";
    const message = missing ? "no such file." : `cannot be opened: ${(cause as Error).message}.`;
    throw new SafetensorsError(missing ? "NOT_FOUND" : "IO", message, { path, cause });
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile())
      throw new SafetensorsError("IO", "not a regular file; pass the path of a .safetensors file.", { path });
    const prefix = new Uint8Array(Math.min(8, stat.size));
    readAt(fd, prefix, 0, path);
    const bytes = new Uint8Array(8 + headerLength(prefix, stat.size, path, limits));
    readAt(fd, bytes, 0, path);
    return new SafetensorsFile(path, fd, parseHeader(bytes, stat.size, path, limits));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Fills `target` from the file at `position`, however many reads it takes. */
function readAt(fd: number, target: ArrayBufferView, position: number, path: string, tensor?: string): void {
  let done = 0;
  while (done < target.byteLength) {
    const part = new Uint8Array(target.buffer, target.byteOffset + done, Math.min(MAX_READ, target.byteLength - done));
    let read: number;
    try {
      read = readSync(fd, part, 0, part.byteLength, position + done);
    } catch (cause) {
      throw new SafetensorsError("IO", `cannot be read: ${(cause as Error).message}.`, { path, tensor, cause });
    }
    if (read === 0) {
      const message = `the file ends at byte ${position + done}, it has become shorter since it was opened.`;
      throw new SafetensorsError("COVERAGE", message, { path, tensor });
    }
    done += read;
  }
}
