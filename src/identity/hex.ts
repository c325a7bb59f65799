/**
 * Bytes as hex digits, in one piece. A string that is put together by `+` stays a tree of its parts in V8 until somebody looks at all of it, and
 * an id of 32 bytes is then kept as 2 KiB; ids are kept by every bond, entry and session.
 */

const decoder = new TextDecoder()
const DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

export function hexOf(bytes: Uint8Array): string {
  const codes = new Uint8Array(bytes.length * 2)
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    codes[i * 2] = DIGITS[byte >>> 4]!
    codes[i * 2 + 1] = DIGITS[byte & 15]!
  }
  return decoder.decode(codes)
}
