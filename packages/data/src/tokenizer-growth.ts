// How much longer the components of a tokenizer.json may make a text. Each on its own is harmless; forty that double it, one
// after another, are not: a file of a few kilobytes would fill the memory.
import { DataError, show } from "./errors.js";
import type { Component } from "./tokenizer-json.js";

const MAX_FACTOR = 1024;
const MAX_COMPONENTS = 64;

/**
 * Checks a normalizer, pre_tokenizer, post_processor or decoder. Throws DataError TOKENIZER for components that together can make
 * a text more than 1024 times as long, for more than 64 of them, and for one that would never end.
 */
export function checkGrowth(part: Component | null, name: string, path: string): void {
  const fail = (message: string): never => {
    throw new DataError("TOKENIZER", `"${name}" ${message}`, { path });
  };
  let factor = 1;
  let count = 0;
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const component = value as Component;
    if (typeof component.type === "string") {
      if (++count > MAX_COMPONENTS) fail(`has more than ${MAX_COMPONENTS} components`);
      const { length, content } = component;
      if (component.type === "FixedLength" && !(Number.isInteger(length) && (length as number) > 0))
        fail(`has a FixedLength of ${show(length)}, expected a whole number from 1`);
      // JavaScript takes $& and its like as instructions, the format does not.
      if (component.type === "Replace" && typeof content === "string" && content.includes("$"))
        fail(`replaces by ${show(content)}; a $ cannot be used here`);
      factor *= growth(component, name);
      if (factor > MAX_FACTOR) fail(`can make a text more than ${MAX_FACTOR} times as long`);
    }
    for (const child of Object.values(value)) visit(child);
  };
  visit(part);
}

/** The most characters that a component makes of one. */
function growth(component: Component, name: string): number {
  const size = (key: string): number => {
    const value = component[key];
    return typeof value === "string" ? value.length : 1;
  };
  switch (component.type) {
    case "Replace": {
      const { String: text, Regex: regex } = (component.pattern ?? {}) as { String?: unknown; Regex?: unknown };
      const mayBeEmpty = text === "" || (typeof regex === "string" && /[*?|{]|^$/.test(regex));
      return mayBeEmpty ? 1 + size("content") : Math.max(1, size("content"));
    }
    case "ByteLevel":
      return name === "pre_tokenizer" ? 3 : 1; // the bytes of UTF-8
    case "Metaspace":
      if (name === "decoder") return component.replacement === "" ? 2 : 1;
      return Math.max(1, size("str_rep"), size("replacement"));
    case "BPEDecoder":
      return size("suffix") === 0 || component.suffix === undefined ? 2 : 1;
    case "CTC":
      return size("word_delimiter_token") === 0 || component.word_delimiter_token === undefined ? 2 : 1;
    default:
      return 1;
  }
}
