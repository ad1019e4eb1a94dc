// 3000 bad safetensors files and 500 bad indexes of shards.
import { openCheckpoint } from "@qlora/safetensors";
import { type Cause, cause, type Format, nth, round, safetensors } from "./bad-file.js";

const name = "model.safetensors";
const dtypes = ["U8", "I16", "BF16", "F16", "F32", "I32", "F64", "I64"];
const size = (dtype: string) => Number(/\d+/.exec(dtype)![0]) / 8;
const sizes = [1, 2, 3, 5, 8, 13];

/** Tensor number `i`: its members as text, and its bytes. */
function tensor(i: number): { dtype: string; shape: number[]; bytes: number } {
  const [dtype, shape] = [nth(dtypes, i), [nth(sizes, i), nth(sizes, round(dtypes, i))]];
  return { dtype, shape, bytes: shape[0]! * shape[1]! * size(dtype) };
}
const entry = (dtype: string, shape: unknown, offsets: unknown) =>
  `{"dtype":${JSON.stringify(dtype)},"shape":${JSON.stringify(shape)},"data_offsets":${JSON.stringify(offsets)}}`;

/** One tensor with its members changed, in a file that is right otherwise. */
function one(i: number, change: (text: string) => string, more = 0) {
  const { dtype, shape, bytes } = tensor(i);
  return { [name]: safetensors(change(`{"t${i}":${entry(dtype, shape, [0, bytes])}}`), bytes + more) };
}
/** Two tensors, their places given by how much each is moved. */
function two(i: number, begin: number, end: number) {
  const { dtype, shape, bytes } = tensor(i);
  const second = entry(dtype, shape, [bytes + begin, 2 * bytes + end]);
  return {
    [name]: safetensors(`{"a":${entry(dtype, shape, [0, bytes])},"b":${second}}`, 2 * bytes + Math.max(0, end)),
  };
}
/** A text in which `find` is replaced. */
const put = (i: number, find: string | RegExp, by: string, more = 0) => one(i, (text) => text.replace(find, by), more);

const broken = [
  '{"t":',
  "{'t':0}",
  "{}{}",
  '{"t" 0}',
  '{"__metadata__":{"a":"b"',
  '{"__metadata__":{"a":"b",}}',
  '{"a\\x":0}',
  "{,}",
  '{"__metadata__":{"a":',
  "\n{}",
  "\ufeff{}",
];
const causes: Cause[] = [
  cause("HEADER_TOO_SMALL", 50, (i) => ({ [name]: i < 24 ? Buffer.alloc(i % 8, i) : safetensors(i % 2 ? "{" : "") })),
  cause("HEADER_TOO_LARGE", 100, (i) => ({
    [name]: safetensors("{}", i, (1n << 25n) + (BigInt(i) << BigInt(i % 39))),
  })),
  cause("HEADER_TRUNCATED", 200, (i) => ({ [name]: one(i, (text) => text)[name]!.subarray(0, 9 + (i % 40)) })),
  cause("UTF8", 150, (i) => ({ [name]: safetensors(Buffer.from([0x7b, 0x22, 0x61, 0x80 + (i % 0x40), 0x22])) })),
  cause("JSON", 300, (i) => ({
    [name]: safetensors(`${nth(broken, i)}${i < 11 ? "" : "\0".repeat(1 + (i % 7))}`, i % 9),
  })),
  cause("NOT_OBJECT", 50, (i) => ({
    [name]: safetensors(nth(["[]", "null", `${100 + i}`, '"{}"', "true", `{"t":${i}}`], i)),
  })),
  cause("DUP_KEY", 150, (i) =>
    nth(
      [
        put(i, /"dtype":("\w+"),/, '"dtype":$1,"dtype":$1,'),
        put(i, /^\{(.*)\}$/, "{$1,$1}"),
        put(i, "{", '{"__metadata__":{"a":"","a":""},'),
      ],
      i,
    ),
  ),
  cause("UNKNOWN_FIELD", 100, (i) =>
    put(i, '"dtype"', `${JSON.stringify(nth(["x", "__proto__", "constructor", "Dtype", "offset"], i))}:${i},"dtype"`),
  ),
  cause("FIELD_MISSING", 100, (i) =>
    put(i, nth([/"dtype":"\w+",/, /"shape":\[[^\]]*\],/, /,"data_offsets":\[[^\]]*\]/], i), ""),
  ),
  cause("METADATA_TYPE", 100, (i) =>
    put(i, "{", `{"__metadata__":${nth(['{"a":1}', "null", '["a"]', '{"a":{}}', '"a"', `{"k${i}":null}`], i)},`),
  ),
  cause("DTYPE", 200, (i) =>
    put(i, /"dtype":"\w+"/, `"dtype":${nth(['"F128"', '"f32"', '""', "8", "null", '"toString"', `"Q${i}"`, "[]"], i)}`),
  ),
  cause("SHAPE_RANK", 200, (i) =>
    put(
      i,
      /"shape":\[[^\]]*\]/,
      `"shape":${i % 2 ? `[${Array(9 + (i % 50)).fill(1)}]` : nth(["3", '"3"', "{}", "null"], i >> 1)}`,
    ),
  ),
  cause("DIM", 300, (i) =>
    put(
      i,
      /"shape":\[\d+/,
      `"shape":[${nth(["-1", "-0", "1.5", "2.0", "1e2", "9007199254740993", "null", '"4"', "[1]", "18446744073709551615", `-${i}`], i)}`,
    ),
  ),
  cause("OFFSETS", 150, (i) =>
    put(
      i,
      /"data_offsets":\[0,(\d+)\]/,
      `"data_offsets":${nth(["[$1]", "[$1,0,0]", "[-1,$1]", "[$1,0]", "{}", "[0.5,$1]", "null", "[]"], i)}`,
    ),
  ),
  cause("OVERFLOW", 200, (i) =>
    put(
      i,
      /"shape":\[[^\]]*\]/,
      `"shape":[${nth(["4294967296,4294967296", "9007199254740991,2,2", "4294967296,4294967296,0", "65536,65536,65536,65536"], i)}${",1".repeat(i % 4)}]`,
    ),
  ),
  cause("SIZE_MISMATCH", 300, (i) =>
    put(i, /"shape":\[(\d+)/, `"shape":[${nth(["2,", "7,", "0,", "100,", "9,"], i)}$1`),
  ),
  cause("HOLE_OVERLAP", 250, (i) =>
    nth([two(i, 1 + (i % 9), 1 + (i % 9)), two(i, -1, -1), two(i, -tensor(i).bytes, -tensor(i).bytes)], i),
  ),
  cause("COVERAGE", 200, (i) => one(i, (text) => text, i % 2 ? 1 + i : -1)),
  cause("NAME", 100, (i) =>
    put(i, `"t${i}"`, nth(['"__proto__"', `"a\\u0000${i}"`, `"${"x".repeat(4097 + i)}"`, `"${"é".repeat(2049)}"`], i)),
  ),
];

export const safetensorsFiles: Format = { name: "safetensors", read: (dir) => openCheckpoint(dir).close(), causes };

const index = (map: unknown, more = "") => ({
  "model.safetensors.index.json": `{"weight_map":${JSON.stringify(map)}${more}}`,
});
const shard = (i: number) => ({ "a.safetensors": one(i, (text) => text)[name]! });
export const shardIndexes: Format = {
  name: "shard index",
  read: (dir) => openCheckpoint(dir).close(),
  causes: [
    cause("SHARD_MISSING", 100, (i) => ({
      ...shard(i),
      ...index({ [`t${i}`]: "a.safetensors", x: `b${i}.safetensors` }),
    })),
    cause("SHARD_PATH_ESCAPE", 100, (i) =>
      index({
        x: nth(
          [
            "../a.safetensors",
            "/etc/passwd",
            "a/b.safetensors",
            "..",
            "",
            "a\\b.safetensors",
            "c:a.safetensors",
            "a\0.safetensors",
          ],
          i,
        ),
      }),
    ),
    cause("TENSOR_NOT_IN_SHARD", 100, (i) => ({ ...shard(i), ...index({ [`other${i}`]: "a.safetensors" }) })),
    cause("TOTAL_SIZE", 60, (i) => ({
      ...shard(i),
      ...index(
        { [`t${i}`]: "a.safetensors" },
        `,"metadata":{"total_size":${nth(["-1", "1.5", "null", '"9"', "1e99", "{}"], i)}}`,
      ),
    })),
    cause("INDEX", 60, (i) => ({
      "model.safetensors.index.json": nth(
        ["{}", '{"weight_map":[]}', '{"weight_map":{"a":1}}', '{"weight_map":{"a":"a.bin"}}', "[]", "7"],
        i,
      ),
    })),
    cause("JSON", 40, (i) => ({
      "model.safetensors.index.json": `{"weight_map":${nth(["{", "}", "{'a':1}", '{"a"}'], i)}`,
    })),
    cause("DUP_KEY", 20, (i) => ({
      ...shard(i),
      "model.safetensors.index.json": '{"weight_map":{"a":"a.safetensors","a":"a.safetensors"}}',
    })),
    cause("UTF8", 20, (i) => ({ "model.safetensors.index.json": Buffer.from([0x7b, 0x80 + i, 0x7d]) })),
  ],
};
