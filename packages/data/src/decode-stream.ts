// Decoding token by token, for generation that prints as it goes.

/**
 * Turns ids into text as they come. What `push` returns, joined, plus `end()`, is the decoding of all ids. A character
 * whose bytes are spread over several tokens is returned when it is complete; bytes that never become one appear as
 * U+FFFD once other text follows, or at the end. (One exception: SentencePiece byte tokens that are not UTF-8 spoil the
 * byte tokens right before them in a decoding of everything; text that has been returned is not taken back.)
 * Method: the difference of two decodings of a short window (as tokenizers/src/tokenizer/mod.rs, DecodeStream).
 */
export class DecodeStream {
  readonly #decode: (ids: number[]) => string;
  #window: number[] = [];
  #read = 0; // ids of the window whose text has been returned
  #told = ""; // that text

  /** @internal Use `tokenizer.decodeStream()`. */
  constructor(decode: (ids: number[]) => string) {
    this.#decode = decode;
  }

  /** Takes the next id, returns the text that is now certain (often "", sometimes several characters). */
  push(id: number): string {
    this.#window.push(id);
    const text = this.#decode(this.#window);
    if (text.length <= this.#told.length || text.endsWith("\ufffd")) return "";
    const fresh = text.slice(this.#told.length);
    this.#window = this.#window.slice(this.#read);
    this.#read = this.#window.length;
    this.#told = this.#decode(this.#window);
    return fresh;
  }

  /** Returns what was held back, and starts over. */
  end(): string {
    const rest = this.#decode(this.#window).slice(this.#told.length);
    this.#window = [];
    this.#read = 0;
    this.#told = "";
    return rest;
  }
}
