/** Exponential moving average with `weight` in [0, 1), corrected for its start as TensorBoard's is; null stays a gap. */
export function smooth(values, weight) {
  let mean = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = mean * weight + (1 - weight) * value;
    count += 1;
    return mean / (1 - weight ** count);
  });
}
