/**
 * Colour for people: only where the stream is a terminal that has colours. Node decides, and heeds NO_COLOR,
 * FORCE_COLOR and TERM.
 */
import type { Writable } from 'node:stream'
import { WriteStream } from 'node:tty'

const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39] } as const

export type Paint = (style: keyof typeof STYLES, text: string) => string

export const plain: Paint = (_style, text) => text

const inColour: Paint = (style, text) => {
  const [on, off] = STYLES[style]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

export function paintFor(stream: Writable): Paint {
  return stream instanceof WriteStream && stream.hasColors() ? inColour : plain
}

/** Output of commands in colour: failures red, `ok` green, the leader's row bold, rows of the dead dim. */
export function paintOutput(paint: Paint, text: string): string {
  return text
    .split('\n')
    .map((line) => {
      if (line.startsWith('error ')) return paint('red', line)
      if (/^ok\b/.test(line)) return paint('green', line)
      if (/^\d+ .* leader /.test(line)) return paint('bold', line)
      if (/^\d+ .* (dead|left|silent)\b/.test(line)) return paint('dim', line)
      return line
    })
    .join('\n')
}
