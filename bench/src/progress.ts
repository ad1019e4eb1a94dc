// One line that is written over, where a terminal shows it.

/** Shows `text` in place of what was shown before; nothing at all where stderr is no terminal. */
export function progress(text = ""): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
