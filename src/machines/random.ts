/**
 * Chance as a value: sfc32 (Doty-Humphrey, PractRand), a small generator whose state is plain data. A machine keeps the
 * state in its context and gets the seed as input, so the same input gives the same run. Not for secrets.
 */
export type RandomState = readonly [number, number, number, number]

/** The next 32 random bits, and the state after them. */
export function nextUint32([a, b, c, counter]: RandomState): [number, RandomState] {
  const value = (((a + b) | 0) + counter) | 0
  const next: RandomState = [
    b ^ (b >>> 9),
    (c + (c << 3)) | 0,
    (((c << 21) | (c >>> 11)) + value) | 0,
    (counter + 1) | 0,
  ]
  return [value >>> 0, next]
}

/** A number in [min, max), uniformly. */
export function nextBetween(state: RandomState, min: number, max: number): [number, RandomState] {
  const [bits, next] = nextUint32(state)
  return [min + (bits / 0x1_0000_0000) * (max - min), next]
}

/** `bytes` random bytes as hex digits: a name that is unique where the seeds are. */
export function nextHex(state: RandomState, bytes: number): [string, RandomState] {
  let hex = ''
  let current = state
  while (hex.length < bytes * 2) {
    const [bits, next] = nextUint32(current)
    hex += bits.toString(16).padStart(8, '0')
    current = next
  }
  return [hex.slice(0, bytes * 2), current]
}

/** A state from four seeds, stirred until the seeds no longer show. */
export function randomFrom(seed: RandomState): RandomState {
  let state = seed
  for (let round = 0; round < 12; round++) state = nextUint32(state)[1]
  return state
}
