// One measured case as it is printed, written as a JSON line, compared and drawn.
import { execFileSync } from "node:child_process";
import { cpus, totalmem } from "node:os";
import type { Case, Figure } from "./case.js";
import { type Ceiling, ceiling } from "./ceilings.js";
import { comparable } from "./clock.js";
import { type Contender, type MeasureOptions, measure, ratio } from "./measure.js";
import { type Profile, profileCase } from "./profile.js";

export interface Result {
  name: string;
  device: string;
  threads: number;
  shape: string;
  value: number;
  unit: string;
  /** Half the distance of the quartiles, relative. */
  spread: number;
  /** What limits it, as measured in the same rounds. */
  ceiling: { name: string; value: number; unit: string } | null;
  /** Median over rounds, of the resource that the ceiling is about. */
  percentOfCeiling: number | null;
  peers: { name: string; value: number | null; ratio: number | null; unavailable?: string }[];
  /** What the figure has to show, and whether it does. */
  verdict?: { claim: string; holds: boolean };
  /** With `--profile`: where the time of one run went. */
  profile?: Profile;
  machine: string;
  commit: string;
  date: string;
}

export function machineName(): string {
  const [cpu] = cpus();
  return `${cpu?.model.trim() ?? "unknown processor"}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
}

/** Figures by another clock are figures of another device. */
const deviceName = (simd: string) => `cpu ${simd}${comparable() ? "" : ", processor time"}`;

export function commitName(): string {
  try {
    const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
    const dirty = execFileSync("git", ["status", "--porcelain", "--untracked-files=no"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return dirty ? `${commit}+changes` : commit;
  } catch {
    return "unknown";
  }
}

const machine = machineName();
const commit = commitName();

/** Checks, then times a case together with its ceiling and its peers. */
export async function measureCase(item: Case, threads: number, simd: string, options: MeasureOptions): Promise<Result> {
  item.check();
  const limit: Ceiling | undefined = item.ceiling && ceiling(item.ceiling.name);
  const peers: Contender[] = [];
  for (const peer of item.peers ?? []) {
    if (peer.unavailable || (peer.seconds && !comparable())) continue;
    const failure = await startFailure(peer);
    if (failure) peer.unavailable = failure;
    else peers.push(peer);
  }
  const [own, ...others] = await measure([item, ...(limit ? [limit] : []), ...peers], options);
  const limitTiming = limit ? others.shift()! : undefined;
  const limitValue = limit && limitTiming ? limit.work / limitTiming.seconds : 0;
  return {
    name: item.name,
    device: deviceName(simd),
    threads,
    shape: item.shape,
    value: item.work / own!.seconds,
    unit: item.unit,
    spread: own!.spread,
    ceiling: limit ? { name: limit.name, value: limitValue, unit: limit.unit } : null,
    percentOfCeiling: limit && limitTiming ? 100 * (item.ceiling!.work / limit.work) * ratio(limitTiming, own!) : null,
    peers: [
      ...peers.map(({ name }, i) => ({ name, value: item.work / others[i]!.seconds, ratio: ratio(others[i]!, own!) })),
      ...(item.peers ?? []).flatMap(({ name, unavailable }) =>
        unavailable ? [{ name, value: null, ratio: null, unavailable }] : [],
      ),
    ],
    machine,
    commit,
    date: new Date().toISOString(),
  };
}

/** Why a peer in another process does not do its unit of work; it does one, which warms it. */
async function startFailure({ seconds, stop }: Contender): Promise<string | undefined> {
  try {
    await seconds?.();
  } catch (error) {
    stop?.();
    return (error as Error).message;
  }
}

/** A case with a profile as `--profile` shows it: one run by phase and operation. */
export function profileResult(item: Case, threads: number, simd: string, { rounds }: MeasureOptions): Result {
  const profile = profileCase(item, item.profile!, Math.ceil(rounds / 3));
  const { fma } = profile.ceilings;
  return {
    name: `${item.name} profile`,
    device: deviceName(simd),
    threads,
    shape: item.shape,
    value: item.work / profile.unobserved,
    unit: item.unit,
    spread: 0,
    ceiling: { name: "fma", value: fma, unit: "GFLOP/s" },
    percentOfCeiling: (100 * item.ceiling!.work) / profile.unobserved / fma,
    peers: [],
    profile,
    machine,
    commit,
    date: new Date().toISOString(),
  };
}

/** A figure that measures itself. */
export async function figureResult(item: Figure, threads: number, simd: string): Promise<Result> {
  const { value, unit, peers = [], verdict } = await item.measure();
  return {
    name: item.name,
    device: deviceName(simd),
    threads,
    shape: item.shape,
    value,
    unit,
    spread: 0,
    ceiling: null,
    percentOfCeiling: null,
    peers: peers.map((peer) => ({ ...peer, ratio: peer.value === null ? null : value / peer.value })),
    ...(verdict ? { verdict } : {}),
    machine,
    commit,
    date: new Date().toISOString(),
  };
}
