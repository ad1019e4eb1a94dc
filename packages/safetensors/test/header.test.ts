// Bad files: each has one code, and a message that names the file, the tensor and what was found.
import { expect, test } from "vitest";
import { openSafetensors, parseHeader, type SafetensorsErrorCode } from "../src/index.js";
import { failureOf, file, writeTemporary } from "./files.js";

const u8 = (shape: string, offsets: string) => `{"dtype":"U8","shape":${shape},"data_offsets":${offsets}}`;
const one = (shape: string, offsets = "[0,0]", name = "t") => `{"${name}":${u8(shape, offsets)}}`;
const bytes = (...parts: (string | number[])[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...new TextEncoder().encode(part)] : part)));

const bad: [code: SafetensorsErrorCode, what: string, content: Uint8Array, inMessage?: string | RegExp][] = [
  ["HEADER_TOO_SMALL", "an empty file", new Uint8Array(0), "0 bytes"],
  ["HEADER_TOO_SMALL", "seven bytes", new Uint8Array(7)],
  ["HEADER_TOO_SMALL", "a length of 0", file("")],
  ["HEADER_TOO_SMALL", "a length of 1", file("{")],
  ["HEADER_TOO_LARGE", "a length above the cap", file("{}", 0, 16 * 2 ** 20 + 1), "16777217"],
  ["HEADER_TOO_LARGE", "a length of 2^64 - 1", file("{}", 0, 2n ** 64n - 1n)],
  ["HEADER_TOO_LARGE", "a length of 2^53 + 1, which a number cannot hold", file("{}", 0, 2n ** 53n + 1n)],
  ["HEADER_TOO_LARGE", "a Git LFS pointer", bytes("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"],
  ["HEADER_TOO_LARGE", "a zip archive", bytes("PK\u0003\u0004", new Array(40).fill(9)), "zip"],
  ["HEADER_TOO_LARGE", "a GGUF file", bytes("GGUF", [3, 0, 0, 0, 0]), "GGUF"],
  ["HEADER_TRUNCATED", "a length beyond the file", file("{}", 0, 3), "3 bytes is announced, 2 follow"],
  ["HEADER_TRUNCATED", "a plain text file of spaces", file("      ", 0, 2 ** 20)],
  ["UTF8", "an overlong form", file(bytes('{"', [0xc0, 0xaf], '":0}'))],
  ["UTF8", "an encoded surrogate", file(bytes('{"', [0xed, 0xa0, 0x80], '":0}'))],
  ["UTF8", "a cut sequence", file(bytes('{"', [0xe2, 0x82]))],
  ["JSON", "a byte order mark", file(bytes([0xef, 0xbb, 0xbf], "{}"))],
  ["JSON", "leading white space other than spaces", file("\n{}")],
  ["JSON", "binary zeros", file("\0\0\0\0")],
  ["JSON", "zeros as padding", file("{}\0\0\0\0\0\0")],
  ["JSON", "a line feed as padding", file("{}\n")],
  ["JSON", "an open object", file('{"t":')],
  ["JSON", "an open string", file('{"t')],
  ["JSON", "a comma at the end", file(`{"t":${u8("[1]", "[0,1]")},}`, 1)],
  ["JSON", "a comma at the end of a list", file(one("[1,]", "[0,1]"), 1)],
  ["JSON", "single quotes", file("{'t':0}")],
  ["JSON", "two values", file("{}{}")],
  ["JSON", "a leading zero", file(one("[01]", "[0,1]"), 1)],
  ["JSON", "a raw line feed in a name", file(one("[1]", "[0,1]", "a\nb"), 1)],
  ["JSON", "a bad escape", file(one("[1]", "[0,1]", "a\\x"), 1)],
  ["JSON", "half a surrogate pair, escaped", file(one("[1]", "[0,1]", "a\\ud800"), 1)],
  ["JSON", "the other half", file(one("[1]", "[0,1]", "\\udc00b"), 1)],
  ["NOT_OBJECT", "a list", file("[]")],
  ["NOT_OBJECT", "null", file("null")],
  ["NOT_OBJECT", "a number", file("42")],
  ["NOT_OBJECT", "a string", file('"{}"')],
  ["NOT_OBJECT", "a tensor that is a number", file('{"t":1}'), 'tensor "t"'],
  ["NOT_OBJECT", "a tensor that is deeply nested lists", file(`{"t":${"[".repeat(1e6)}`)],
  ["DUP_KEY", "two tensors of one name", file(`{"t":${u8("[1]", "[0,1]")},"t":${u8("[1]", "[0,1]")}}`, 1), '"t"'],
  [
    "DUP_KEY",
    "the same name, once with escapes",
    file(`{"t":${u8("[1]", "[0,1]")},"\\u0074":${u8("[1]", "[1,2]")}}`, 2),
  ],
  ["DUP_KEY", "two dtypes", file('{"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1), '"dtype"'],
  ["DUP_KEY", "two __metadata__", file('{"__metadata__":{},"__metadata__":{}}')],
  ["DUP_KEY", "two equal metadata keys", file('{"__metadata__":{"a":"1","a":"1"}}')],
  ["UNKNOWN_FIELD", "a fourth field", file('{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}'), '"x"'],
  ["UNKNOWN_FIELD", "a field __proto__", file('{"t":{"__proto__":{"dtype":"U8"},"shape":[0],"data_offsets":[0,0]}}')],
  ["FIELD_MISSING", "no dtype", file('{"t":{"shape":[0],"data_offsets":[0,0]}}'), "no dtype"],
  ["FIELD_MISSING", "nothing", file('{"t":{}}'), "no dtype and no shape and no data_offsets"],
  ["METADATA_TYPE", "a number as metadata", file('{"__metadata__":{"a":1}}'), '"a"'],
  ["METADATA_TYPE", "null for __metadata__", file('{"__metadata__":null}')],
  ["METADATA_TYPE", "nested metadata", file('{"__metadata__":{"a":{"b":"c"}}}')],
  ["DTYPE", "an unknown dtype", file(one("[0]").replace("U8", "F128")), '"F128"'],
  ["DTYPE", "a dtype in small letters", file(one("[0]").replace("U8", "u8"))],
  ["DTYPE", "a dtype out of Object.prototype", file(one("[0]").replace("U8", "constructor"))],
  ["DTYPE", "a number as dtype", file(one("[0]").replace('"U8"', "8"))],
  ["SHAPE_RANK", "nine dimensions", file(one("[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1), "more than 8"],
  ["SHAPE_RANK", "a shape that is no list", file(one("3", "[0,3]"), 3)],
  ["DIM", "a negative size", file(one("[-4]"))],
  ["DIM", "minus zero", file(one("[-0]"))],
  ["DIM", "a fraction", file(one("[4.0]", "[0,4]"), 4), "4.0"],
  ["DIM", "an exponent", file(one("[4e0]", "[0,4]"), 4)],
  ["DIM", "2^53 + 1, which JSON.parse rounds", file(one("[0,9007199254740993]")), "9007199254740993"],
  ["DIM", "a string", file(one('["4"]', "[0,4]"), 4)],
  ["DIM", "null", file(one("[null]"))],
  ["DIM", "a nested list", file(one("[[1]]", "[0,1]"), 1)],
  ["OFFSETS", "one offset", file(one("[0]", "[0]"))],
  ["OFFSETS", "three offsets", file(one("[0]", "[0,0,0]"))],
  ["OFFSETS", "end before begin", file(one("[1]", "[1,0]"), 1)],
  ["OFFSETS", "a negative offset", file(one("[1]", "[-1,0]"), 1)],
  ["OFFSETS", "an object", file(one("[1]", "{}"), 1)],
  ["OVERFLOW", "a product above 2^53", file(one("[4294967296,4294967296]")), "4294967296, 4294967296"],
  ["OVERFLOW", "a product that 64 bits would wrap to 0", file(one("[4294967296,4294967296,16]"))],
  ["OVERFLOW", "too large until a zero follows", file(one("[4294967296,4294967296,0]"))],
  ["OVERFLOW", "bits above 2^53", file(one("[2251799813685248]").replace("U8", "F64"))],
  ["SIZE_MISMATCH", "too few bytes", file(one("[4]", "[0,3]"), 3), "takes 4 bytes, data_offsets [0, 3] give 3"],
  ["SIZE_MISMATCH", "bytes for an empty tensor", file(one("[0]", "[0,1]"), 1)],
  ["SIZE_MISMATCH", "half a byte", file(one("[1]", "[0,1]").replace("U8", "F4"), 1), "4 bits"],
  ["SIZE_MISMATCH", "three elements of six bits", file(one("[3]", "[0,3]").replace("U8", "F6_E2M3"), 3)],
  ["HOLE_OVERLAP", "data that begin at 1", file(one("[1]", "[1,2]"), 2), "hole after byte 0"],
  ["HOLE_OVERLAP", "a hole", file(`{"a":${u8("[1]", "[0,1]")},"b":${u8("[1]", "[2,3]")}}`, 3), 'tensor "b"'],
  ["HOLE_OVERLAP", "an overlap", file(`{"a":${u8("[2]", "[0,2]")},"b":${u8("[2]", "[1,3]")}}`, 3), "overlaps"],
  ["HOLE_OVERLAP", "the same bytes twice", file(`{"a":${u8("[2]", "[0,2]")},"b":${u8("[2]", "[0,2]")}}`, 2)],
  ["COVERAGE", "bytes after the last tensor", file(one("[4]", "[0,4]"), 5), "1 bytes after"],
  ["COVERAGE", "bytes and no tensor", file("{}", 1)],
  ["COVERAGE", "a file cut short", file(one("[4]", "[0,4]"), 3), "take 4 bytes, 3 follow"],
  ["COVERAGE", "a tensor of 1 PiB in a file of a few bytes", file(one("[1125899906842623]", "[0,1125899906842623]"))],
  ["NAME", "U+0000 in a name", file(one("[0]", "[0,0]", "a\\u0000b")), "a\\u0000b"],
  ["NAME", "__proto__", file(one("[0]", "[0,0]", "__proto__"))],
  ["NAME", "a name of 4097 bytes", file(one("[0]", "[0,0]", "x".repeat(4097)))],
  ["NAME", "a name of 4098 bytes in 2049 characters", file(one("[0]", "[0,0]", "é".repeat(2049)))],
];

for (const [code, what, content, inMessage] of bad)
  test(`${code}: ${what}`, () => {
    const path = writeTemporary(content);
    const error = failureOf(() => openSafetensors(path));
    expect(error.code).toBe(code);
    expect(error.path).toBe(path);
    expect(error.message.startsWith(`${path}: `)).toBe(true);
    expect(error.message.length).toBeLessThan(path.length + 600);
    expect(error.message).not.toMatch(/[\u0000-\u001f\u007f]/);
    if (inMessage !== undefined) expect(error.message).toContain(inMessage);
  });

const good: [what: string, content: Uint8Array][] = [
  ["no tensors", file("{}")],
  ["spaces around the object", file("  {}      ")],
  ["white space inside", file('{ "t" :\n\t{ "dtype":"U8", "shape": [ 1 ] , "data_offsets":[ 0 , 1 ]}\r\n}', 1)],
  ["fields in another order", file('{"t":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}}', 1)],
  ["a scalar", file(one("[]", "[0,1]"), 1)],
  ["eight dimensions", file(one("[1,1,1,1,1,1,1,1]", "[0,1]"), 1)],
  ["zero times 2^53 - 1", file(one("[0,9007199254740991]"))],
  ["four elements of six bits", file(one("[4]", "[0,3]").replace("U8", "F6_E3M2"), 3)],
  [
    "tensors listed in another order than their bytes",
    file(`{"b":${u8("[1]", "[1,2]")},"a":${u8("[1]", "[0,1]")}}`, 2),
  ],
  [
    "empty tensors between others",
    file(`{"a":${u8("[1]", "[0,1]")},"e":${u8("[0]", "[1,1]")},"b":${u8("[1]", "[1,2]")}}`, 2),
  ],
  ["names of Object.prototype", file(`{"constructor":${u8("[1]", "[0,1]")},"toString":${u8("[1]", "[1,2]")}}`, 2)],
  ["a pair of surrogates, escaped", file(one("[1]", "[0,1]", "\\ud83d\\ude00"), 1)],
  ["metadata keys of any kind", file('{"__metadata__":{"__proto__":"x","":"y","a\\u0000":"z"}}')],
];

for (const [what, content] of good)
  test(`accepted: ${what}`, () => {
    using opened = openSafetensors(writeTemporary(content));
    for (const name of opened.tensors.keys()) opened.read(name);
  });

test("the caps are options and are checked before anything is read", () => {
  const path = writeTemporary(file(`{"a":${u8("[1]", "[0,1]")},"b":${u8("[1]", "[1,2]")}}`, 2));
  expect(failureOf(() => openSafetensors(path, { maxHeaderBytes: 100 })).code).toBe("HEADER_TOO_LARGE");
  expect(failureOf(() => openSafetensors(path, { maxTensors: 1 })).code).toBe("TOO_MANY_TENSORS");
  openSafetensors(path, { maxTensors: 2 }).close();
});

test("a header of 200 001 tensors is refused at the 200 001st, within seconds", () => {
  const members = Array.from({ length: 200_001 }, (_, i) => `"${i}":${u8("[0]", "[0,0]")}`);
  const content = file(`{${members.join(",")}}`);
  const start = performance.now();
  expect(failureOf(() => parseHeader(content, content.length)).code).toBe("TOO_MANY_TENSORS");
  expect(performance.now() - start).toBeLessThan(5000);
});

test("messages escape what a terminal would obey", () => {
  const error = failureOf(() => parseHeader(file('{"\\u001b[2J\u009b\u202e":1}'), 1000));
  expect(error.message).toContain("\\u001b[2J\\u009b\\u202e");
});
