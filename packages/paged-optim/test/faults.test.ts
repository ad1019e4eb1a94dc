// What happens when the file of paged state fails: a typed error at the time it can first be known, nothing hanging, nothing
// else harmed, and a state saved before still continues bit for bit.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AdamW, type PagedState, PagedStateError } from "../src/index.js";
import { native } from "../src/native.js";
import { type PageFile, pagedStateError } from "../src/page-file.js";
import { parameter, sameBits, setGradients } from "./inputs.js";

const addon = fileURLToPath(new URL("../build/Release/paged-optim.node", import.meta.url));
const page = 4096;
const pages = 40;
const n = (pages * page) / 8;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "qlora-faults-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name = "state") => join(folder, name);
const make = (p = parameter("w", n), where = path()) =>
  new AdamW([p], { paging: { path: where, budget: 5 * page, pageBytes: page } });

function failure(action: () => unknown): PagedStateError {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(PagedStateError);
    return error as PagedStateError;
  }
  throw new Error("did not fail");
}

describe("the disk is full", () => {
  test("a small tmpfs: found at the start, with bytes needed and free; what else is there stays", (context) => {
    const mount = path("tmpfs");
    mkdirSync(mount);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", mount]).status !== 0)
      return context.skip("mounting a tmpfs needs root");
    try {
      writeFileSync(join(mount, "checkpoint"), "precious".repeat(1000));
      const { code, message } = failure(() => make(undefined, join(mount, "state")));
      expect(code).toBe("NO_SPACE");
      expect(message).toMatch(/no room for 167936 bytes of optimiser state, \d+ bytes are free/);
      expect(existsSync(join(mount, "state"))).toBe(false);
      expect(readFileSync(join(mount, "checkpoint"), "utf8")).toBe("precious".repeat(1000));
      using small = new AdamW([parameter("w", 10_000)], {
        paging: { path: join(mount, "state"), budget: 5 * page, pageBytes: page },
      });
      expect(small.step().applied).toBe(true);
    } finally {
      execFileSync("umount", [mount]);
    }
  });

  test.runIf(native.PageFile && process.platform === "linux")(
    "a limit on the size of files (RLIMIT_FSIZE) likewise",
    () => {
      const code = `
      const { PageFile } = require(${JSON.stringify(addon)});
      try { new PageFile(${JSON.stringify(path("limited"))}, 4096, 1000, 2, false); console.log("made"); }
      catch (error) { console.log(JSON.stringify({ ...error, message: error.message })); }`;
      const limited = spawnSync("sh", ["-c", 'ulimit -f 2000; exec "$0" -e "$1"', process.execPath, code], {
        encoding: "utf8",
      });
      expect(JSON.parse(limited.stdout)).toMatchObject({ call: "fallocate", noSpace: true });
      expect(existsSync(path("limited"))).toBe(false);
      const free = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
      expect(free.stdout).toBe("made\n");
    },
  );
});

describe.each(["native", "synchronous"])("with the %s file", (kind) => {
  const { PageFile } = native;
  beforeAll(() => {
    if (kind === "synchronous") native.PageFile = undefined as never;
  });
  afterAll(() => {
    native.PageFile = PageFile as never;
  });

  test("a file cut short behind its back: SHORT_READ", () => {
    const p = parameter("w", n);
    using optimizer = make(p);
    setGradients([p], 1);
    optimizer.step();
    optimizer.stateDict(); // reads every page, so nothing is still being written
    truncateSync(path(), 20 * page);
    const { code, message } = failure(() => optimizer.step());
    expect(code).toBe("SHORT_READ");
    expect(message).toMatch(/state: ends at byte \d+, within its pages/);
    expect(() => optimizer.step()).toThrow("the last step failed halfway");
    expect(() => optimizer.stateDict()).toThrow("the last step failed halfway"); // nor may it be saved
  });

  test.each([
    ["a folder that is not there", "no/where", "OPEN", /cannot be opened/],
    ["a folder", ".", "OPEN", /cannot be opened|is not a regular file/],
    ["a file that is something else", "notes", "NOT_OURS", /left as it is/],
  ] as const)("%s", (_, name, code, message) => {
    writeFileSync(path("notes"), "a\n");
    const error = failure(() => make(undefined, join(folder, name)));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.path).toBe(join(folder, name));
    expect(error.cause).toBeInstanceOf(Error);
    expect(readFileSync(path("notes"), "utf8")).toBe("a\n");
  });

  test.runIf(process.platform === "linux")("devices and pipes are refused without hanging", () => {
    expect(failure(() => make(undefined, "/dev/full")).message).toContain("/dev/full: is not a regular file");
    execFileSync("mkfifo", [path("pipe")]);
    expect(failure(() => make(undefined, path("pipe"))).message).toContain("is not a regular file");
    expect(existsSync(path("pipe"))).toBe(true);
    rmSync(path("pipe"));
  });
});

test.runIf(native.PageFile)("bytes changed on the disk: CORRUPT", () => {
  const p = parameter("w", n);
  using optimizer = make(p);
  setGradients([p], 1);
  optimizer.step();
  optimizer.stateDict(); // reads every page, so nothing is still being written
  const file = openSync(path(), "r+");
  writeSync(file, Uint8Array.of(255), 0, 1, 4096 + 30 * page + 1234);
  expect(failure(() => optimizer.step())).toMatchObject({ code: "CORRUPT" });
});

test.runIf(native.PageFile)(
  "a file is one optimiser's at a time, and free again when its process is killed",
  async () => {
    using first = make();
    expect(failure(() => make())).toMatchObject({ code: "IN_USE" });
    expect(first.step().applied).toBe(true);
    const code = `
    const { PageFile } = require(${JSON.stringify(addon)});
    const file = new PageFile(${JSON.stringify(path("killed"))}, 4096, 10, 2, false);
    console.log("ready");
    setInterval(() => file.wait(0), 1000);`;
    const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    expect(failure(() => make(undefined, path("killed")))).toMatchObject({ code: "IN_USE" });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(path("killed"))).toBe(true);
    using next = make(undefined, path("killed"));
    expect(next.step().applied).toBe(true);
  },
);

/** The native file, whose k-th operation fails as the addon reports it: on the next wait, and on every one after. */
function faulty(k: number, error: object) {
  const Real = native.PageFile!;
  return class implements PageFile {
    readonly #file: PageFile;
    #left = k;
    constructor(...args: ConstructorParameters<typeof Real>) {
      this.#file = new Real(...args);
    }
    memory = () => this.#file.memory();
    read = (...args: Parameters<PageFile["read"]>) => {
      if (this.#left-- > 1) this.#file.read(...args);
    };
    write = (...args: Parameters<PageFile["write"]>) => {
      if (this.#left-- > 1) this.#file.write(...args);
    };
    wait = (frame: number) => {
      if (this.#left <= 0)
        throw Object.assign(new Error("Input/output error"), { offset: 0, noSpace: false, ...error });
      return this.#file.wait(frame);
    };
    close = () => this.#file.close();
  };
}

test.runIf(native.PageFile)(
  "a fault at any operation: typed, final for this optimiser; a state saved before it continues bit for bit",
  () => {
    const whole = parameter("w", n);
    using uninterrupted = make(whole);
    let operations = 0;
    for (let step = 1; step <= 4; ++step) {
      setGradients([whole], step);
      uninterrupted.step();
      const { reads, writes } = (uninterrupted.store as PagedState).counters;
      operations = reads + writes;
    }
    const expected = uninterrupted.stateDict();
    const Real = native.PageFile!;
    for (let k = 1; k <= operations; k += 7) {
      const eio = { errno: 5, call: k % 2 ? "read" : "write" };
      const p = parameter("w", n);
      native.PageFile = faulty(k, eio) as never;
      let saved = { weights: p.data.slice(), state: null as null | ReturnType<typeof uninterrupted.stateDict> };
      let failed: unknown;
      try {
        using optimizer = make(p, path("faulty"));
        try {
          for (let step = 1; step <= 4; ++step) {
            setGradients([p], step);
            optimizer.step();
            // Saving reads every page, so a save that succeeds is whole.
            saved = { weights: p.data.slice(), state: structuredClone(optimizer.stateDict()) };
          }
        } catch (error) {
          failed = error;
          expect(() => {
            setGradients([p], 1);
            for (let i = 0; i < 2; ++i) optimizer.step();
          }).toThrow();
        }
      } finally {
        native.PageFile = Real;
      }
      expect(failed).toBeInstanceOf(PagedStateError);
      expect((failed as PagedStateError).code).toBe(k % 2 ? "READ" : "WRITE");
      const again = { ...p, data: saved.weights };
      using resumed = make(again, path("resumed"));
      if (saved.state) resumed.loadStateDict(saved.state);
      for (let step = resumed.steps + 1; step <= 4; ++step) {
        setGradients([again], step);
        resumed.step();
      }
      expect(sameBits(again.data, whole.data)).toBe(true);
      expect(sameBits(resumed.stateDict(), expected)).toBe(true);
    }
  },
);

test("every failure has its code and says what to do about it", () => {
  const options = { path: "/x/state", pageBytes: 4096, pages: 3, frames: 2, direct: false };
  const code = (error: object) =>
    pagedStateError(Object.assign(new Error("why"), { noSpace: false, locked: false, offset: 7, ...error }), options);
  const cases: [object, string, string][] = [
    [
      { call: "write", noSpace: true },
      "NO_SPACE",
      "/x/state: no room for 16384 bytes of optimiser state, an unknown number of bytes are free (why)",
    ],
    [{ call: "write", errno: 5 }, "WRITE", "/x/state: writing at byte 7 failed: why"],
    [{ call: "read", errno: 5 }, "READ", "/x/state: reading at byte 7 failed: why"],
    [{ call: "read", errno: 0 }, "SHORT_READ", "/x/state: ends at byte 7, within its pages"],
    [{ call: "checksum", errno: 0 }, "CORRUPT", "/x/state: the page at byte 7 is not what was written there"],
    [{ call: "mmap", errno: 12 }, "MEMORY", "/x/state: no memory for its pages (why)"],
    [{ call: "flock", locked: true }, "IN_USE", "/x/state: in use by another optimiser"],
    [{ call: "flock" }, "OPEN", "/x/state: cannot be locked: why"],
    [{ call: "magic" }, "NOT_OURS", "/x/state: exists and is not a file of optimiser state; it was left as it is"],
    [{ call: "regular" }, "OPEN", "/x/state: is not a regular file"],
    [{ call: "open", errno: 13 }, "OPEN", "/x/state: cannot be opened: why"],
  ];
  for (const [error, expected, message] of cases)
    expect(code(error)).toMatchObject({ code: expected, message, path: "/x/state" });
});

describe.runIf(native.PageFile && process.platform === "linux")("errors injected into system calls (strace)", () => {
  const traced = spawnSync("strace", ["-f", "-o", "/dev/null", "true"]).status === 0;
  const run = (inject: string) => {
    const code = `
      const { PageFile } = require(${JSON.stringify(addon)});
      try {
        const file = new PageFile(${JSON.stringify(path("traced"))}, 4096, 8, 2, false);
        new Uint8Array(file.memory()).fill(7);
        for (let i = 0; i < 8; ++i) { file.write(i % 2, i, 4096); file.read(i % 2, i, 4096); }
        file.wait(0); file.wait(1);
        console.log("done");
      } catch (error) { console.log(JSON.stringify(error)); }`;
    // -P: only calls on this file; `when` counts in each thread by itself, and one of two does at least 4 of 8.
    const options = ["-f", "-o", "/dev/null", "-P", path("traced"), "-e", `inject=${inject}`];
    return spawnSync("strace", [...options, process.execPath, "-e", code], {
      encoding: "utf8",
      timeout: 60_000,
    }).stdout.trim();
  };

  const cases: [string, object][] = [
    ["pwrite64:error=EIO:when=4", { call: "write", errno: 5, noSpace: false }],
    ["pwrite64:error=ENOSPC:when=3", { call: "write", errno: 28, noSpace: true }],
    ["pread64:error=EIO:when=4", { call: "read", errno: 5 }],
    ["fallocate:error=ENOSPC", { call: "fallocate", noSpace: true }],
    ["ftruncate:error=EIO", { call: "ftruncate", errno: 5 }],
    ["pwrite64:retval=1:when=4", { call: "checksum" }], // claims to have written a byte that it did not
  ];
  for (const [inject, expected] of cases)
    test(inject, (context) => {
      if (!traced) return context.skip("no strace here, or not allowed");
      expect(JSON.parse(run(inject))).toMatchObject(expected);
      expect(existsSync(path("traced"))).toBe(false);
    });

  test("interrupted calls are tried again", (context) => {
    if (!traced) return context.skip("no strace here, or not allowed");
    expect(run("pread64,pwrite64:error=EINTR:when=1+3")).toBe("done");
  });
});
