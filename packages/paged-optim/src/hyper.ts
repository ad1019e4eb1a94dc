// The numbers of one step in the order of Hyper in native/optim.h, computed in f64 and rounded once.

const fields = [
  "scale",
  "l2",
  "decay",
  "rate",
  "b1",
  "c1",
  "b2",
  "c2",
  "b3",
  "c3",
  "alpha",
  "eps",
  "correct1",
  "correct2",
  "nesterov",
] as const;

export type Hyper = { [K in (typeof fields)[number]]: number };

const none: Hyper = {
  scale: 1,
  l2: 0,
  decay: 1,
  rate: 0,
  b1: 0,
  c1: 0,
  b2: 0,
  c2: 0,
  b3: 0,
  c3: 0,
  alpha: 0,
  eps: 0,
  correct1: 1,
  correct2: 1,
  nesterov: 0,
};

export function packHyper(hyper: Partial<Hyper>): Float32Array {
  const all = { ...none, ...hyper };
  return Float32Array.from(fields, (field) => all[field]);
}

export function unpackHyper(packed: Float32Array): Hyper {
  return Object.fromEntries(fields.map((field, i) => [field, packed[i]])) as Hyper;
}
