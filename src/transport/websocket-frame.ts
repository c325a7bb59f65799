/**
 * A small binary message as one WebSocket frame in one piece of memory (RFC 6455 §5.2), so that it leaves in one plain write. `ws` gives
 * header and payload apart, which spares large payloads a copy and costs small ones more than it.
 */

/** Up to here a copy is cheaper than a write of two pieces. */
export const WHOLE_FRAME_BYTES_MAX = 4_000

const FINAL_BINARY = 0x82
const MASKED = 0x80
/** What is longer tells its length in the two bytes that follow. */
const SHORT_BYTES_MAX = 125
const TWO_BYTES_FOLLOW = 126
const MASK_BYTES = 4

/** `masked`: as a client must, with a mask of zeros, which leaves the payload as it is. */
export function wholeFrame(payload: Uint8Array, masked: boolean): Buffer {
  const { length } = payload
  const isShort = length <= SHORT_BYTES_MAX
  const maskAt = isShort ? 2 : 4
  const payloadAt = masked ? maskAt + MASK_BYTES : maskAt
  const frame = Buffer.allocUnsafe(payloadAt + length)
  frame[0] = FINAL_BINARY
  frame[1] = (masked ? MASKED : 0) | (isShort ? length : TWO_BYTES_FOLLOW)
  if (!isShort) frame.writeUInt16BE(length, 2)
  frame.fill(0, maskAt, payloadAt)
  frame.set(payload, payloadAt)
  return frame
}
