// Sizes as people write them: 24GiB.
const units = { MiB: 2 ** 20, GiB: 2 ** 30, MB: 1e6, GB: 1e9 } as const;

/** What `parseByteSize` reads: a number and its unit. */
export const byteSizePattern = /^(\d+(?:\.\d+)?) ?(MiB|GiB|MB|GB)$/;

/** "24GiB" → 25769803776. @throws {RangeError} */
export function parseByteSize(text: string): number {
  const [, number, unit] = byteSizePattern.exec(text) ?? [];
  if (number === undefined) throw new RangeError(`"${text}" is not a size with a unit, such as 24GiB`);
  return Math.floor(Number(number) * units[unit as keyof typeof units]);
}
