// Added tokens (<s>, <|im_end|>, …) as they are spelt in a text.
import type { AddedToken } from "./tokenizer-json.js";

export class AddedTokens {
  readonly #all: readonly AddedToken[];
  readonly #special: ReadonlySet<number>;
  readonly #pattern: RegExp | undefined;

  /** `named`: ids that are special whatever tokenizer.json says (BOS, EOS, padding). */
  constructor(tokens: readonly AddedToken[], named: readonly number[]) {
    this.#all = tokens;
    this.#special = new Set([...named, ...tokens.filter((x) => x.special).map((x) => x.id)]);
    // Longest first, as the tokenizers library matches.
    const contents = tokens.filter((x) => !x.normalized).map((x) => x.content);
    contents.sort((a, b) => b.length - a.length);
    const source = contents.map((x) => x.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&")).join("|");
    this.#pattern = contents.length === 0 ? undefined : new RegExp(source);
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  /** Where the first added token in a text begins; -1 without one. */
  first(text: string): number {
    return this.#pattern === undefined ? -1 : text.search(this.#pattern);
  }

  /** Whether a text ends in an added token. */
  isLast(text: string): boolean {
    return this.#all.some((x) => text.endsWith(x.content));
  }

  /** Where the last special token in a text ends; -1 without one. */
  lastSpecialEnd(text: string): number {
    let end = -1;
    for (const { id, content } of this.#all) {
      const at = this.#special.has(id) ? text.lastIndexOf(content) : -1;
      if (at >= 0) end = Math.max(end, at + content.length);
    }
    return end;
  }
}
