// A profile as a flame graph that hangs: the run, below it its phases, below each the operations, as wide as their time.
import { colours, escapeHtml } from "./picture.js";
import type { Operation, Profile } from "./profile.js";
import { number } from "./table.js";

const width = 1060;
const row = 30;

export function flame({ seconds, phases, operations, unobserved, percentAccounted, ceilings }: Profile): string {
  const scale = width / seconds;
  const names = [...new Set(operations.map(({ name }) => name))];
  const colour = (name: string) => colours[names.indexOf(name) % colours.length]!;
  const ms = (time: number) => `${number(1000 * time)} ms`;
  const share = (time: number) => `${((100 * time) / seconds).toFixed(1)} %`;
  const box = (x: number, level: number, time: number, fill: string, label: string, detail: string) => {
    const wide = time * scale;
    const fits = Math.floor((wide - 8) / 6.6); // letters
    const shown = label.length <= fits ? label : fits >= 4 ? `${label.slice(0, fits - 1)}…` : "";
    return `<g><title>${escapeHtml(detail)}</title><rect x="${x.toFixed(2)}" y="${level * row}" width="${Math.max(0, wide - 0.5).toFixed(2)}" height="${row - 2}" fill="${fill}"/>${shown && `<text x="${(x + 4).toFixed(2)}" y="${level * row + 19}">${escapeHtml(shown)}</text>`}</g>`;
  };
  const boxes = [box(0, 0, seconds, "#bbb", `one run, ${ms(seconds)}`, `one run: ${ms(seconds)}`)];
  let phaseX = 0;
  for (const phase of phases) {
    boxes.push(
      box(
        phaseX,
        1,
        phase.seconds,
        "#ccc",
        `${phase.name} ${share(phase.seconds)}`,
        `${phase.name}: ${ms(phase.seconds)}, ${share(phase.seconds)}`,
      ),
    );
    let x = phaseX;
    for (const operation of operations.filter((candidate) => candidate.phase === phase.name)) {
      const { name, seconds: time } = operation;
      boxes.push(
        box(x, 2, time, colour(name), `${name} ${share(time)}`, `${phase.name}, ${name}: ${details(operation)}`),
      );
      x += time * scale;
    }
    phaseX += phase.seconds * scale;
  }
  return `<svg class="flame" viewBox="0 0 ${width} ${3 * row}" role="img" aria-label="time by phase and operation">${boxes.join("")}</svg>
<p>${percentAccounted.toFixed(1)} % of the run is within operations, the gaps are JavaScript. Runs that nobody watched took ${ms(unobserved)}. FMA peak ${number(ceilings.fma)} GFLOP/s, int8 peak ${number(ceilings.int8)} GOP/s, copy ${number(ceilings.copy)} GB/s.</p>
<table><tr><td>operation</td><td class="n">calls</td><td class="n">ms</td><td class="n">share</td><td class="n">GFLOP</td><td class="n">of peak</td><td class="n">GB</td><td class="n">of copy</td></tr>
${byName(operations)
  .filter(({ seconds: time }) => time >= 0.002 * seconds)
  .map(
    ({ name, count, seconds: time, gflop, gigabytes, percentOfPeak, percentOfCopy }) =>
      `<tr><th><i class="key" style="background:${colour(name)}"></i>${escapeHtml(name)}</th>${[
        count,
        number(1000 * time),
        share(time),
        gflop ? number(gflop) : "",
        percentOfPeak === null ? "" : `${percentOfPeak.toFixed(0)} %`,
        number(gigabytes),
        `${percentOfCopy.toFixed(0)} %`,
      ]
        .map((cell) => `<td class="n">${cell}</td>`)
        .join("")}</tr>`,
  )
  .join("\n")}</table>`;

  function details({ count, seconds: time, gflop, gigabytes, percentOfPeak }: Operation): string {
    const peak = percentOfPeak === null ? "" : `, ${number(gflop)} GFLOP, ${percentOfPeak.toFixed(0)} % of peak`;
    return `${ms(time)}, ${share(time)}, ${count} calls${peak}, ${number(gigabytes)} GB`;
  }
}

/** Operations of one name in all phases as one, the dearest first. */
export function byName(operations: readonly Operation[]): Operation[] {
  const sums = new Map<string, Operation>();
  for (const operation of operations) {
    const before = sums.get(operation.name);
    sums.set(operation.name, before ? add(before, operation) : operation);
  }
  return [...sums.values()].sort((a, b) => b.seconds - a.seconds);
}

function add(a: Operation, b: Operation): Operation {
  const seconds = a.seconds + b.seconds;
  const mean = (x: number | null, y: number | null) =>
    x === null || y === null ? null : (x * a.seconds + y * b.seconds) / seconds;
  return {
    ...a,
    phase: "",
    count: a.count + b.count,
    seconds,
    gflop: a.gflop + b.gflop,
    gigabytes: a.gigabytes + b.gigabytes,
    percentOfPeak: mean(a.percentOfPeak, b.percentOfPeak),
    percentOfCopy: mean(a.percentOfCopy, b.percentOfCopy)!,
  };
}
