// A line that redraws itself on a terminal, and plain lines now and then where there is none.

export interface Progress {
  /** Shows `text` with a bar for `done` of `total`. */
  update(done: number, total: number, text: string): void;
  /** Ends the line, leaving its last state where states have been seen. */
  end(): void;
  /** Takes the line away. */
  clear(): void;
  /** Prints a line above the bar. */
  print(line: string): void;
}

/** Milliseconds between two states on a terminal, and between two lines elsewhere. */
const redraw = 50;
const repeat = 10_000;

/** Progress on a stream (stderr): a live bar on a terminal, at most a line every ten seconds elsewhere. */
export function progress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const live = stream.isTTY === true && process.env.TERM !== "dumb";
  let current: string | undefined; // the newest state, and whether it is on the stream
  let written = true;
  let seen = false;
  let onScreen = false;
  let last = performance.now() - (live ? redraw : 0);
  const write = () => {
    stream.write(live ? `\r\x1b[2K${current}` : `${current}\n`);
    written = true;
    seen = true;
    onScreen = live;
    last = performance.now();
  };
  const reset = () => {
    current = undefined;
    seen = false;
    onScreen = false;
  };
  return {
    update(done, total, text) {
      current = line(done / total, text, live ? (stream.columns ?? 80) - 1 : 120);
      written = false;
      if (performance.now() - last >= (live ? redraw : repeat)) write();
    },
    end() {
      if (current !== undefined && !written && (live || seen)) write();
      if (onScreen) stream.write("\n");
      reset();
    },
    clear() {
      if (onScreen) stream.write("\r\x1b[2K");
      reset();
    },
    print(text) {
      stream.write(`${onScreen ? "\r\x1b[2K" : ""}${text}\n`);
      if (onScreen) write();
    },
  };
}

/** The bar takes what the text leaves, 24 cells at most and none below 8; the text is cut last. */
function line(share: number, text: string, columns: number): string {
  const cells = Math.min(24, columns - text.length - 3);
  return (cells < 8 ? text : `${bar(share, cells)} ${text}`).slice(0, columns);
}

function bar(share: number, cells: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * cells * 8);
  const full = Math.floor(eighths / 8);
  const part = full < cells && eighths % 8 ? " ▏▎▍▌▋▊▉"[eighths % 8]! : "";
  return `▕${("█".repeat(full) + part).padEnd(cells)}▏`;
}
