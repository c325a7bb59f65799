/**
 * Fail early on keys of the wrong size, with words a person understands, before any library sees them.
 */
import { TesseraError } from '../errors.ts'

/** `bytes` itself, or `InvalidKey` naming what it was meant to be. */
export function expectBytes(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new TesseraError('InvalidKey', { detail: `${what} must be a Uint8Array.` })
  if (bytes.length !== length) {
    throw new TesseraError('InvalidKey', { detail: `${what} has ${length} bytes, not ${bytes.length}.` })
  }
  return bytes
}
