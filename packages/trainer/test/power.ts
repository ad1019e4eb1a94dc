// A model of a disk that loses power: what is written is safe when it has been synced, and a folder's entries when the folder has.
//
// This is weaker than what common file systems do (they keep the order of a folder's changes, or sync a new file's entry with it),
// so that what survives here survives there: Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

interface File {
  kind: "file";
  synced: Buffer;
  content: Buffer;
}
interface Folder {
  kind: "folder";
  entries: Map<string, Inode>;
  synced: Map<string, Inode>;
}
type Inode = File | Folder;
/** One change of a folder's entries; a rename is one change. */
interface Change {
  folder: Folder;
  set: readonly [name: string, inode: Inode | undefined][];
}

/** What becomes of data that was not synced. */
const losses = ["kept", "gone", "half", "zeros"] as const;

/** A folder as it was, and system calls that change it, one after another. */
export class Disk {
  private readonly top: Folder;
  /** Changes that no sync has made safe yet, in order. */
  private pending: Change[] = [];
  private readonly files = new Set<File>();

  constructor(readonly root: string) {
    this.top = this.scan(root);
  }

  private scan(path: string): Folder {
    const entries = new Map<string, Inode>(
      readdirSync(path).map((name) => {
        const child = join(path, name);
        if (statSync(child).isDirectory()) return [name, this.scan(child)];
        const content = readFileSync(child);
        return [name, { kind: "file", synced: content, content }];
      }),
    );
    return { kind: "folder", entries, synced: new Map(entries) };
  }

  private find(path: string): Inode | undefined {
    const names = path.slice(this.root.length).split("/").filter(Boolean);
    return names.reduce<Inode | undefined>(
      (at, name) => (at?.kind === "folder" ? at.entries.get(name) : undefined),
      this.top,
    );
  }

  private folder(path: string): Folder {
    const found = this.find(path);
    if (found?.kind !== "folder") throw new Error(`${path} is no folder of the model`);
    return found;
  }

  private change(path: string, ...set: [string, Inode | undefined][]): void {
    const folder = this.folder(path);
    for (const [name, inode] of set) inode ? folder.entries.set(name, inode) : folder.entries.delete(name);
    this.pending.push({ folder, set });
  }

  open(path: string, { create, truncate }: { create: boolean; truncate: boolean }): Inode | undefined {
    let inode = this.find(path);
    if (!inode && create) {
      inode = { kind: "file", synced: Buffer.alloc(0), content: Buffer.alloc(0) };
      this.change(dirname(path), [basename(path), inode]);
    }
    if (truncate && inode?.kind === "file") inode.content = Buffer.alloc(0);
    if (inode?.kind === "file") this.files.add(inode);
    return inode;
  }
  write(file: File, data: Buffer, at: number): void {
    const grown = Buffer.alloc(Math.max(file.content.length, at + data.length));
    file.content.copy(grown);
    data.copy(grown, at);
    file.content = grown;
  }
  sync(inode: Inode): void {
    if (inode.kind === "file") inode.synced = inode.content;
    else {
      for (const { folder, set } of this.pending) if (folder === inode) apply(folder.synced, set);
      this.pending = this.pending.filter(({ folder }) => folder !== inode);
    }
  }
  mkdir(path: string): void {
    this.change(dirname(path), [basename(path), { kind: "folder", entries: new Map(), synced: new Map() }]);
  }
  remove(path: string): void {
    this.change(dirname(path), [basename(path), undefined]);
  }
  rename(from: string, to: string): void {
    if (dirname(from) !== dirname(to)) throw new Error(`the model has no rename from one folder to another: ${from}`);
    this.change(dirname(from), [basename(from), undefined], [basename(to), this.find(from)!]);
  }

  /**
   * Writes every state that losing power now may leave to `at`, calling `check` after each: of the changes that are not safe any
   * first ones, or all but one, are there; data that is not is there, gone, cut in half, or zeros. `seen` has the states that were
   * checked before. Returns how many were new.
   */
  crashes(at: string, seen: Set<string>, check: (what: string) => void): number {
    const all = this.pending;
    const kept = [...all.map((_, i) => all.slice(0, i)), ...all.map((_, i) => all.filter((_, j) => j !== i)), all];
    let count = 0;
    for (const changes of kept)
      for (const loss of [...this.files].some((file) => file.synced !== file.content) ? losses : ["kept" as const]) {
        const files = this.after(changes, loss);
        const hash = createHash("sha256");
        for (const [path, data] of files) hash.update(`${path}\0${data?.length ?? "folder"}\0`).update(data ?? "");
        const key = hash.digest("hex");
        if (seen.has(key)) continue;
        seen.add(key);
        count++;
        rmSync(at, { recursive: true, force: true });
        for (const [path, data] of files)
          data === undefined ? mkdirSync(join(at, path), { recursive: true }) : writeFileSync(join(at, path), data);
        check(`${changes.length} of ${all.length} changes of folders, unsynced data ${loss}`);
      }
    return count;
  }

  /** Folders (without data) and files of a state, each after the folder it is in. */
  private after(changes: readonly Change[], loss: (typeof losses)[number]): [path: string, data: Buffer | undefined][] {
    const list: [string, Buffer | undefined][] = [];
    const visit = (folder: Folder, path: string) => {
      list.push([path, undefined]);
      const entries = new Map(folder.synced);
      for (const change of changes) if (change.folder === folder) apply(entries, change.set);
      for (const [name, inode] of entries)
        if (inode.kind === "folder") visit(inode, join(path, name));
        else list.push([join(path, name), lost(inode, loss)]);
    };
    visit(this.top, ".");
    return list;
  }
}

function apply(entries: Map<string, Inode>, set: Change["set"]): void {
  for (const [name, inode] of set) inode ? entries.set(name, inode) : entries.delete(name);
}

function lost({ synced, content }: File, loss: (typeof losses)[number]): Buffer {
  if (loss === "kept" || synced === content) return content;
  if (loss === "gone") return synced;
  if (loss === "half") return content.subarray(0, content.length >> 1);
  return Buffer.alloc(content.length);
}

const calls = [
  "openat",
  "close",
  "write",
  "pwrite64",
  "fsync",
  "fdatasync",
  "ftruncate",
  "rename",
  "mkdir",
  "unlink",
  "rmdir",
];
const others = [
  "writev",
  "pwritev",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "unlinkat",
  "mkdirat",
  "copy_file_range",
];

/**
 * Runs a command and replays on `disk` what its main thread does below its root, calling `after` after each change and sync.
 * @returns the command's exit status
 */
export function replay(disk: Disk, command: readonly string[], after: (call: string) => void): number | null {
  const dir = mkdtempSync(join(tmpdir(), "qlora-power-"));
  const trace = ["-e", `trace=${[...calls, ...others]}`, "-ff", "-s", String(2 ** 24), "-xx", "-o", join(dir, "trace")];
  try {
    const { status } = spawnSync("strace", ["-qq", ...trace, ...command], { stdio: "ignore" });
    const threads = readdirSync(dir).sort((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1]));
    replayTrace(disk, readFileSync(join(dir, threads[0]!), "latin1"), after);
    for (const name of threads.slice(1))
      if (hex(readFileSync(join(dir, name), "latin1")).includes(disk.root))
        throw new Error("another thread wrote, too");
    return status;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const hex = (text: string) =>
  text.replace(/\\x([0-9a-f]{2})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 16)));

function replayTrace(disk: Disk, trace: string, after: (call: string) => void): void {
  const open = new Map<number, { inode: Inode; at: number }>();
  for (const line of trace.split("\n")) {
    const [, name, text, result] = /^(\w+)\((.*)\)\s+= (\d+)/.exec(line) ?? [];
    if (name === undefined || text === undefined) continue;
    const strings = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map((match) =>
      Buffer.from(hex(match[1]!), "latin1"),
    );
    const paths = strings.map(String);
    const file = open.get(Number.parseInt(text, 10));
    const below = paths.some((path) => path.startsWith(disk.root));
    if (name === "openat" && below) {
      const [create, truncate] = [text.includes("O_CREAT"), text.includes("O_TRUNC")];
      const inode = disk.open(paths[0]!, { create, truncate });
      if (inode) open.set(Number(result), { inode, at: 0 });
      if (create || truncate) after(`open ${paths[0]}`);
    } else if (name === "openat" || name === "close")
      open.delete(name === "close" ? Number.parseInt(text, 10) : Number(result));
    else if ((name === "write" || name === "pwrite64") && file?.inode.kind === "file") {
      const at = name === "write" ? file.at : Number(/, (\d+)$/.exec(text)![1]);
      disk.write(file.inode, strings[0]!.subarray(0, Number(result)), at);
      if (name === "write") file.at += Number(result);
      after(`${name} of ${result} bytes`);
    } else if ((name === "fsync" || name === "fdatasync") && file) {
      disk.sync(file.inode);
      after(`${name} of a ${file.inode.kind}`);
    } else if (below && name === "mkdir") disk.mkdir(paths[0]!);
    else if (below && (name === "unlink" || name === "rmdir")) disk.remove(paths[0]!);
    else if (below && name === "rename") disk.rename(paths[0]!, paths[1]!);
    else if (below || file) throw new Error(`the model does not know ${name}`);
    if (below && name !== "openat") after(`${name} ${paths.join(" → ")}`);
  }
}
