/**
 * How many of `length` places, from the first on, are so; those after them must not be. By halving, so in as many looks as the number of
 * places has binary digits.
 */
export function partitionPoint(length: number, isSo: (place: number) => boolean): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isSo(middle)) low = middle + 1
    else high = middle
  }
  return low
}
