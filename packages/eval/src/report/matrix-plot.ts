// A square of shares, row against column: who takes the points off whom.
import { element, figure, text, withTitle } from "./svg.js";

/** `values[row][column]` from 0 to 1, null where the two never met. */
export function matrixPlot(
  names: readonly string[],
  values: readonly (readonly (number | null)[])[],
  label: string,
): string {
  const cell = 44;
  const left = 16 + 7.2 * Math.max(...names.map((n) => n.length));
  const top = 30 + 5.2 * Math.max(...names.map((n) => n.length));
  const parts: string[] = [];
  names.forEach((name, i) => {
    const at = left + (i + 0.5) * cell;
    parts.push(text(at, top - 10, name, { class: "label", transform: `rotate(-45 ${at} ${top - 10})` }));
    parts.push(text(left - 10, top + (i + 0.5) * cell + 4, name, { class: "label", "text-anchor": "end" }));
    values[i]!.forEach((share, j) => {
      if (share === null) return;
      const box = { x: left + j * cell + 1, y: top + i * cell + 1, width: cell - 2, height: cell - 2 };
      const strength = Math.abs(share - 0.5) * 2;
      const cls = share >= 0.5 ? "win" : "loss";
      const number = text(box.x + box.width / 2, box.y + box.height / 2 + 4, `${Math.round(100 * share)}`, {
        class: "cell",
        "text-anchor": "middle",
      });
      parts.push(
        withTitle(
          element("rect", { ...box, class: "blank" }) +
            element("rect", { ...box, class: cls, opacity: 0.1 + 0.7 * strength }) +
            number,
          `${name} takes ${(100 * share).toFixed(1)} % of the points off ${names[j]}`,
        ),
      );
    });
  });
  return figure(left + names.length * cell + 60, top + names.length * cell + 8, label, parts.join(""));
}
