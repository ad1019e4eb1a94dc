// Does the model have a row for every token?
import { DataError, show } from "./errors.js";
import type { Tokenizer } from "./tokenizer.js";

/**
 * Checks that a model with `rows` embedding rows can take every id of the tokenizer. Throws DataError VOCABULARY naming
 * the first token without a row. A model may have more rows than the tokenizer has tokens.
 */
export function checkVocabulary(tokenizer: Tokenizer, { rows }: { rows: number }): void {
  if (tokenizer.vocabSize <= rows) return;
  const token = show(tokenizer.tokenOf(rows) ?? tokenizer.tokenOf(tokenizer.vocabSize - 1));
  throw new DataError(
    "VOCABULARY",
    `has ids up to ${tokenizer.vocabSize - 1} (${token} is one too many), but the model's embedding has ${rows} rows`,
    { path: tokenizer.path },
  );
}
