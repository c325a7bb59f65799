/**
 * A transport whose links tell every message of a group at the moment it is handed to the wire: what has been said by then is said. They may
 * also refuse one, as a link does that is full.
 */
import type { PeerId } from '../identity/keys.ts'
import type { BondMessage } from '../machines/bond/messages.ts'
import type { RaftMessage } from '../machines/raft/messages.ts'
import { decodeBond } from '../transport/codec.ts'
import type { Link, Transport } from '../transport/transport.ts'

export type Leaving = (to: PeerId, message: RaftMessage, link: Link) => void

/** A message to several peers is encoded once, and decoded once here. */
const decoded = new WeakMap<Uint8Array, BondMessage | null>()

/** `refuses` is asked of each message between members whose bond stands, by its bytes. */
export function watched(
  transport: Transport,
  leaving: Leaving,
  refuses: (bytes: number) => boolean = () => false,
): Transport {
  const watch = (link: Link): Link => {
    if (link.protocol !== 'tessera.groups.1') return link
    const send = link.send.bind(link)
    link.send = (bytes, lane) => {
      const message = messageIn(bytes)
      if (message && refuses(bytes.length)) return false
      for (const one of message?.type === 'Raft' ? message.messages : []) leaving(link.peer, one, link)
      return send(bytes, lane)
    }
    return link
  }
  return {
    understands: (address) => transport.understands(address),
    endpoint(deps) {
      const endpoint = transport.endpoint(deps)
      return {
        dial: async (address, options) => watch(await endpoint.dial(address, options)),
        listen: (address, protocols, accept) => endpoint.listen(address, protocols, (link) => accept(watch(link))),
        close: () => endpoint.close(),
      }
    },
  }
}

/** Null for a message of the handshake, which is no message of a bond. */
function messageIn(bytes: Uint8Array): BondMessage | null {
  const known = decoded.get(bytes)
  if (known !== undefined) return known
  const message = messageOf(bytes)
  decoded.set(bytes, message)
  return message
}

function messageOf(bytes: Uint8Array): BondMessage | null {
  try {
    return decodeBond(bytes)
  } catch {
    return null
  }
}
