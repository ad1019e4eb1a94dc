// Jinja templates, run inside a fence: they come with models, and a loop in one must not hang or exhaust the process.
//
// @huggingface/jinja has no budget of its own (a million loop iterations take nine seconds, range(1e8) exhausts memory).
// Its interpreter evaluates every node through one method, so the fence stands there: steps are counted, the clock is
// looked at, no text or list may grow beyond a limit, range() and the template itself are limited. One filter call
// may still build a large string before it is refused; V8 bounds that at 512 MiB.
import * as library from "@huggingface/jinja";
import { DataError, type DataErrorCode, escapeControls, show } from "./errors.js";
import { MAX_TEMPLATE_CHARS } from "./tokenizer-config.js";

export interface JinjaLimits {
  /** Nodes evaluated in one rendering. Default 1,000,000. */
  maxSteps?: number;
  /** Milliseconds for one rendering. Default 1,000. */
  maxMilliseconds?: number;
  /** Characters in the output and in every text on the way. Default 16 times the values' size, at least 1,048,576. */
  maxOutput?: number;
}

export interface JinjaProgram {
  render(values: Record<string, unknown>, limits?: JinjaLimits): string;
}

interface Value {
  type: string;
  value: unknown;
}
interface Environment {
  set(name: string, value: unknown): Value;
}
interface Interpreter {
  evaluate(node: { type?: string } | undefined, environment: Environment): Value;
  run(program: object): Value;
}

const { Environment, Interpreter, Template } = library as unknown as {
  Environment: new () => Environment;
  Interpreter: new (environment: Environment) => Interpreter;
  Template: new (source: string) => { parsed: object };
};

class Refused extends Error {
  constructor(
    readonly code: DataErrorCode,
    message: string,
  ) {
    super(message);
  }
}

class Fenced extends Interpreter {
  #steps = 0;
  readonly #limits: Required<JinjaLimits>;
  readonly #deadline: number;

  constructor(environment: Environment, limits: Required<JinjaLimits>) {
    super(environment);
    this.#limits = limits;
    this.#deadline = performance.now() + limits.maxMilliseconds;
  }

  override evaluate(node: { type?: string } | undefined, environment: Environment): Value {
    const { maxSteps, maxMilliseconds, maxOutput } = this.#limits;
    if (++this.#steps > maxSteps) throw new Refused("TEMPLATE_BUDGET", `takes more than ${maxSteps} steps`);
    const value = super.evaluate(node, environment);
    if (((this.#steps & 63) === 0 || node?.type === "For") && performance.now() > this.#deadline) {
      throw new Refused("TEMPLATE_BUDGET", `takes more than ${maxMilliseconds} ms`);
    }
    const inner = value.value;
    if ((typeof inner === "string" || Array.isArray(inner)) && inner.length > maxOutput) {
      throw new Refused(
        "TEMPLATE_OUTPUT",
        `makes a ${typeof inner === "string" ? "text" : "list"} of more than ${maxOutput}`,
      );
    }
    return value;
  }
}

/**
 * Parses a Jinja template. `name` and `path` appear in errors. Throws DataError TEMPLATE_TOO_LARGE, TEMPLATE_SYNTAX; its
 * `render` throws TEMPLATE_BUDGET, TEMPLATE_OUTPUT, and TEMPLATE_FAILED for errors of the template's own.
 */
export function parseJinja(source: string, { name, path }: { name: string; path?: string | undefined }): JinjaProgram {
  if (source.length > MAX_TEMPLATE_CHARS) {
    const message = `template ${name} has ${source.length} characters, the limit is ${MAX_TEMPLATE_CHARS}`;
    throw new DataError("TEMPLATE_TOO_LARGE", message, { path });
  }
  // The library's preprocessing takes time quadratic in a run of white space.
  if (/\s{1024}/.test(source)) {
    throw new DataError("TEMPLATE_TOO_LARGE", `template ${name} has more than 1023 spaces in a row`, { path });
  }
  let program: object;
  try {
    program = new Template(source).parsed;
  } catch (cause) {
    const message = escapeControls(cause instanceof Error ? cause.message : String(cause));
    throw new DataError("TEMPLATE_SYNTAX", `template ${name} is not valid Jinja: ${message}`, { path, cause });
  }
  return {
    render(values, { maxSteps = 1_000_000, maxMilliseconds = 1_000, maxOutput } = {}) {
      const limits = { maxSteps, maxMilliseconds, maxOutput: maxOutput ?? Math.max(1 << 20, 16 * sizeOf(values)) };
      const environment = new Environment();
      for (const [key, value] of Object.entries(globals)) environment.set(key, value);
      for (const [key, value] of Object.entries(values)) environment.set(key, value);
      try {
        return String(new Fenced(environment, limits).run(program).value);
      } catch (cause) {
        const code = cause instanceof Refused ? cause.code : "TEMPLATE_FAILED";
        const message = escapeControls(cause instanceof Error ? cause.message : String(cause));
        throw new DataError(code, `template ${name}: ${message}`, { path, cause });
      }
    },
  };
}

const MAX_RANGE = 100_000;

// As the library's setupGlobals, which it does not export; range() is limited, strftime_now is not there (see TemplateOptions).
const globals: Record<string, unknown> = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception(message: unknown) {
    throw new Error(typeof message === "string" ? message : show(message));
  },
  range(start: number, stop?: number, step = 1): number[] {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    const count = Math.max(0, Math.ceil((to - from) / step));
    if (step === 0 || !(count <= MAX_RANGE)) throw new Refused("TEMPLATE_BUDGET", `range() of more than ${MAX_RANGE}`);
    return Array.from({ length: count }, (_, i) => from + i * step);
  },
};

function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 8;
  let size = 0;
  for (const child of Object.values(value)) size += sizeOf(child);
  return size;
}

/** Python's strftime for the fields chat templates use, in UTC, in English. */
export function strftime(date: Date, format: string): string {
  const month = (style: "long" | "short") =>
    new Intl.DateTimeFormat("en-US", { month: style, timeZone: "UTC" }).format(date);
  const day = (style: "long" | "short") =>
    new Intl.DateTimeFormat("en-US", { weekday: style, timeZone: "UTC" }).format(date);
  const two = (n: number) => String(n).padStart(2, "0");
  const fields: Record<string, () => string> = {
    Y: () => String(date.getUTCFullYear()),
    m: () => two(date.getUTCMonth() + 1),
    d: () => two(date.getUTCDate()),
    H: () => two(date.getUTCHours()),
    M: () => two(date.getUTCMinutes()),
    S: () => two(date.getUTCSeconds()),
    B: () => month("long"),
    b: () => month("short"),
    A: () => day("long"),
    a: () => day("short"),
    "%": () => "%",
  };
  return format.replace(/%([YmdHMSBbAa%])/g, (_, field: string) => fields[field]!());
}
