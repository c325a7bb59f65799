/** Bytes that this process's outgoing connections have moved, both ways: TCP payload, so all framing above it is in. */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

const sockets = new Set<Socket>()

/** From now on; connections made before are not seen. */
export function countWireBytes(): void {
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { socket: Socket }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
}

export function wireBytes(): { written: number; read: number } {
  let [written, read] = [0, 0]
  for (const socket of sockets) {
    written += socket.bytesWritten
    read += socket.bytesRead
  }
  return { written, read }
}
