// A line that redraws itself on a terminal, and plain lines now and then where there is none.

export interface Progress {
  /** Shows `text` with a bar for `done` of `total`. */
  update(done: number, total: number, text: string): void;
  /** Ends the line, leaving its last state on the screen. */
  end(): void;
  /** Prints a line above the bar. */
  print(line: string): void;
}

const barWidth = 24;

/** Progress on a stream (stderr): a live bar on a terminal, at most a line every ten seconds elsewhere. */
export function progress(stream: NodeJS.WriteStream = process.stderr): Progress {
  let current = "";
  let last = 0;
  const live = stream.isTTY === true;
  return {
    update(done, total, text) {
      const now = performance.now();
      current = `${bar(done / total)} ${text}`;
      if (live) {
        if (now - last < 50 && done < total) return;
        last = now;
        stream.write(`\r\x1b[2K${current.slice(0, Math.max(20, (stream.columns ?? 100) - 1))}`);
      } else if (now - last > 10_000 || done === total) {
        last = now;
        stream.write(`${current}\n`);
      }
    },
    end() {
      if (live && current) stream.write("\n");
      current = "";
    },
    print(line) {
      stream.write(live && current ? `\r\x1b[2K${line}\n${current}` : `${line}\n`);
    },
  };
}

function bar(share: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * barWidth * 8);
  const full = Math.floor(eighths / 8);
  const part = full < barWidth && eighths % 8 ? " ▏▎▍▌▋▊▉"[eighths % 8]! : "";
  return `▕${("█".repeat(full) + part).padEnd(barWidth)}▏`;
}

/** 3723 → "1:02:03". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const s = Math.round(seconds);
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return `${h ? `${h}:` : ""}${h ? String(m).padStart(2, "0") : m}:${String(s % 60).padStart(2, "0")}`;
}

/** 3.2e9 → "2.98 GiB". */
export function byteSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (bytes >= 1024 && i < units.length - 1) {
    bytes /= 1024;
    i++;
  }
  return `${i === 0 ? bytes : bytes.toPrecision(3)} ${units[i]}`;
}
