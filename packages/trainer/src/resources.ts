// What the machine really has left for this process: memory within the control group's limit, and room on a disk.
import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { freemem } from "node:os";
import { dirname, join, resolve } from "node:path";

/**
 * Bytes of memory that can still be allocated: what the system has free, and what is left of the limit of every control group
 * that this process is in (v1 and v2; file cache counts as free) and of RLIMIT_AS. `root` stands for `/`, for tests.
 */
export function availableMemory(root = "/"): number {
  return Math.max(0, Math.min(freemem(), ...groups(root), addressSpace(root)));
}

/** Bytes free for this user on the disk that holds `path`, or will once it is made; Infinity where the system does not say. */
export function freeBytes(path: string): number {
  let existing = resolve(path);
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    const { bavail, bsize } = statfsSync(existing);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Bytes of the files in a folder and its subfolders; 0 where there is none. */
export function folderBytes(path: string): number {
  if (!existsSync(path)) return 0;
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

/** What is left of each limit from this process's group up to the root. */
function groups(root: string): number[] {
  const left: number[] = [];
  for (const line of (read(join(root, "proc/self/cgroup")) ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const version1 = controllers!.split(",").includes("memory");
    if (!version1 && controllers !== "") continue;
    const base = join(root, "sys/fs/cgroup", version1 ? "memory" : "");
    const [limit, usage, cache] = version1
      ? (["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"] as const)
      : (["memory.max", "memory.current", "inactive_file"] as const);
    // Inside a container the path may be the host's: then only the root of the mount is there, and it is this group.
    for (let group = path; ; group = dirname(group)) {
      const dir = join(base, group);
      const most = Number(read(join(dir, limit)) ?? Number.NaN);
      const used = Number(read(join(dir, usage)) ?? Number.NaN);
      const cached = Number(new RegExp(`^${cache} (\\d+)$`, "m").exec(read(join(dir, "memory.stat")) ?? "")?.[1] ?? 0);
      if (Number.isFinite(most) && Number.isFinite(used)) left.push(most - used + cached);
      if (group === "/" || group === "." || group === "") break;
    }
  }
  return left;
}

function addressSpace(root: string): number {
  const limit = /^Max address space\s+(\d+)/m.exec(read(join(root, "proc/self/limits")) ?? "")?.[1];
  const size = /^VmSize:\s+(\d+) kB/m.exec(read(join(root, "proc/self/status")) ?? "")?.[1];
  return limit && size ? Number(limit) - Number(size) * 1024 : Number.POSITIVE_INFINITY;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
