// JSON as Python's json.dumps(value, indent=2, sort_keys=True) writes it, so that files of PEFT's are equal byte for byte.

/** A number that Python holds as a float: 1 is written 1.0. */
export class PythonFloat {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** As Python's json.dumps(value, indent=2, sort_keys=True). */
export function pythonJson(value: unknown, indent = ""): string {
  const inner = `${indent}  `;
  const wrap = (open: string, items: string[], close: string) =>
    items.length === 0 ? open + close : `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
  if (value instanceof PythonFloat) return pythonNumber(value.value, true);
  if (typeof value === "number") return pythonNumber(value, false);
  if (typeof value === "string") return asciiString(value);
  if (Array.isArray(value))
    return wrap(
      "[",
      value.map((item) => pythonJson(item, inner)),
      "]",
    );
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return wrap(
    "{",
    members.map(([key, item]) => `${asciiString(key)}: ${pythonJson(item, inner)}`),
    "}",
  );
}

/** Python's repr: exponents below 1e-4 and from 1e16 on, with at least two digits; floats always show that they are. */
function pythonNumber(value: number, float: boolean): string {
  if (Number.isInteger(value) && !float) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16))
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function asciiString(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (c) =>
    c === "\u007f" ? c : `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
