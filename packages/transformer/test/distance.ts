// How far an array is from another.
/** ‖x − y‖ / ‖y‖, the relative error of x. */
export function distance(x: Float32Array, y: Float32Array): number {
  let [error, norm] = [0, 0];
  for (const [i, value] of y.entries()) {
    error += (x[i]! - value) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(error / norm);
}
