/** A transport that tells every message of a group's links at the moment it is handed to the wire: what has been said by then is said. */

import type { PeerId } from '../identity/keys.ts'
import type { RaftMessage } from '../machines/raft/messages.ts'
import { decodeBond } from '../transport/codec.ts'
import type { Link, Transport } from '../transport/transport.ts'

export type Leaving = (to: PeerId, message: RaftMessage, link: Link) => void

export function watched(transport: Transport, leaving: Leaving): Transport {
  /** One message to several peers is encoded once, and decoded once here. */
  const decoded = new WeakMap<Uint8Array, readonly RaftMessage[]>()
  const messagesIn = (bytes: Uint8Array): readonly RaftMessage[] => {
    const known = decoded.get(bytes)
    if (known) return known
    const messages = raftMessages(bytes)
    decoded.set(bytes, messages)
    return messages
  }
  const watch = (link: Link): Link => {
    if (link.protocol !== 'tessera.groups.1') return link
    const send = link.send.bind(link)
    link.send = (bytes, lane) => {
      for (const message of messagesIn(bytes)) leaving(link.peer, message, link)
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

/** None in a message of the handshake, which is no message of a bond. */
function raftMessages(bytes: Uint8Array): readonly RaftMessage[] {
  try {
    const message = decodeBond(bytes)
    return message.type === 'Raft' ? message.messages : []
  } catch {
    return []
  }
}
