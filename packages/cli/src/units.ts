// Bytes and seconds for people.

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
  while (bytes >= 999.5 && i < units.length - 1) {
    bytes /= 1024;
    i++;
  }
  return `${i === 0 ? Math.round(bytes) : bytes.toPrecision(3)} ${units[i]}`;
}

/** 1234567 → "1,234,567". */
export function grouped(n: number): string {
  return n.toLocaleString("en");
}
