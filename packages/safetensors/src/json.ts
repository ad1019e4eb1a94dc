// A strict JSON scanner (RFC 8259): it reports repeated keys, which JSON.parse drops, and never makes an object from a file's keys.
import { quote, type SafetensorsErrorCode } from "./errors.js";

export type Fail = (code: SafetensorsErrorCode, message: string) => never;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const MAX_DEPTH = 64;

/** A cursor over `text`. The caller says what must come next; anything else ends in `fail`. */
export class JsonScanner {
  #at = 0;
  readonly #text: string;
  readonly #fail: Fail;

  constructor(text: string, fail: Fail) {
    this.#text = text;
    this.#fail = fail;
  }

  /** The next character that is not white space, unread; "" at the end. */
  peek(): string {
    for (;;) {
      const c = this.#text.charCodeAt(this.#at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) break;
      this.#at++;
    }
    return this.#text.charAt(this.#at);
  }

  /** As `peek`, where a value must begin. */
  value(): string {
    const c = this.peek();
    return c !== "" && '"[{-0123456789tfn'.includes(c) ? c : this.#unexpected("a value");
  }

  /** Reads `{"key": …, …}`; `member` must read the value. Keys are unique or it fails. */
  object(member: (key: string) => void): void {
    this.#expect("{");
    const seen = new Set<string>();
    if (this.#accept("}")) return;
    do {
      if (this.peek() !== '"') this.#unexpected("a key in double quotes");
      const key = this.string();
      if (seen.has(key)) this.#fail("DUP_KEY", `the key ${quote(key)} appears twice${this.#place()}`);
      seen.add(key);
      this.#expect(":");
      member(key);
    } while (this.#accept(","));
    this.#expect("}");
  }

  /** Reads `[…, …]`; `element` must read one value. */
  array(element: () => void): void {
    this.#expect("[");
    if (this.#accept("]")) return;
    do element();
    while (this.#accept(","));
    this.#expect("]");
  }

  string(): string {
    this.#expect('"');
    const text = this.#text;
    const begin = this.#at;
    let escaped = false;
    for (let at = begin; at < text.length; at++) {
      const c = text.charCodeAt(at);
      if (c === 0x5c) {
        escaped = true;
        at++;
      } else if (c === 0x22) {
        this.#at = at + 1;
        return escaped ? this.#unescape(text.slice(begin - 1, at + 1)) : text.slice(begin, at);
      } else if (c < 0x20) {
        this.#at = at;
        this.#unexpected("a string without raw control characters");
      }
    }
    this.#at = text.length;
    return this.#unexpected("a closing quote");
  }

  /** The literal text of a number, or undefined when something else comes next. */
  number(): string | undefined {
    this.peek();
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match[0];
  }

  /** Reads and drops any value. */
  skip(depth = 0): void {
    if (depth > MAX_DEPTH) this.#fail("JSON", `values nested more than ${MAX_DEPTH} deep${this.#place()}`);
    const c = this.peek();
    if (c === "{") this.object(() => this.skip(depth + 1));
    else if (c === "[") this.array(() => this.skip(depth + 1));
    else if (c === '"') this.string();
    else if (this.number() === undefined) {
      const word = ["true", "false", "null"].find((w) => this.#text.startsWith(w, this.#at));
      if (word === undefined) this.#unexpected("a value");
      this.#at += word.length;
    }
  }

  /** Nothing but `pad` characters may follow. */
  end(pad = " "): void {
    while (this.#at < this.#text.length) {
      if (!pad.includes(this.#text.charAt(this.#at))) this.#unexpected("the end of the text");
      this.#at++;
    }
  }

  /** What comes next, for messages. */
  found(): string {
    const c = this.peek();
    return c === "" ? "the end of the text" : quote(this.#text.slice(this.#at, this.#at + 24));
  }

  #unescape(literal: string): string {
    let value: string;
    try {
      value = JSON.parse(literal) as string;
    } catch {
      return this.#fail("JSON", `a string with a bad escape, ${quote(literal)}${this.#place()}`);
    }
    if (LONE_SURROGATE.test(value))
      this.#fail("JSON", `a string with half a surrogate pair, ${quote(literal)}${this.#place()}`);
    return value;
  }

  #accept(c: string): boolean {
    if (this.peek() !== c) return false;
    this.#at++;
    return true;
  }

  #expect(c: string): void {
    if (!this.#accept(c)) this.#unexpected(`\`${c}\``);
  }

  #unexpected(expected: string): never {
    return this.#fail("JSON", `expected ${expected}, found ${this.found()}${this.#place()}`);
  }

  #place(): string {
    return ` at character ${this.#at}`;
  }
}
