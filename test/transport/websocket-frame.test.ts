import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { expect, it } from 'vitest'
import { WHOLE_FRAME_BYTES_MAX, wholeFrame } from '../../src/transport/websocket-frame.ts'

interface FrameOptions {
  readonly [name: string]: unknown
}
/** In `ws`, and not in its types. */
const { Sender } = createRequire(import.meta.url)('ws') as {
  readonly Sender: { frame(data: Buffer, options: FrameOptions): Buffer[] }
}

it.each([0, 1, 125, 126, 127, 255, 256, WHOLE_FRAME_BYTES_MAX])(
  'RFC 6455 §5.2: a message of %i bytes is the frame that ws makes of it',
  (length) => {
    const payload = randomBytes(length)
    for (const mask of [false, true]) {
      const generateMask = (bytes: Buffer) => void bytes.fill(0)
      const options = {
        fin: true,
        rsv1: false,
        opcode: 2,
        readOnly: true,
        mask,
        generateMask,
        maskBuffer: Buffer.alloc(4),
      }
      expect(wholeFrame(payload, mask)).toEqual(Buffer.concat(Sender.frame(payload, options)))
    }
  },
)
