/**
 * Two nodes that do not know each other until both are told of the other at one moment, and neither waits: what a double dial is made of. The transport is
 * watched, so each link between them is on record with the reason for its end at both ends.
 */
import type { ActorRefFrom } from 'xstate'
import type { Group } from '../../src/actors/group.ts'
import type { TesseraNode } from '../../src/actors/node.ts'
import type { Clock } from '../../src/clock.ts'
import type { CloseReason } from '../../src/errors.ts'
import type { BondId } from '../../src/identity/digest.ts'
import { digest } from '../../src/identity/digest.ts'
import { type CatalogRecord, recordOf } from '../../src/machines/discovery/catalog.ts'
import type { discoveryMachine } from '../../src/machines/discovery/machine.ts'
import type { Link, Transport } from '../../src/transport/transport.ts'

/** One end of a link for groups. */
export interface LinkEnd {
  readonly bondId: BondId
  readonly role: Link['role']
  reason: CloseReason | null
}

export interface Watched {
  readonly transport: Transport
  readonly ends: LinkEnd[]
}

/** `transport`, its group links on record, and each dial begun only `dialDelayMs` after it was asked for. */
export function watched(transport: Transport, clock: Clock, dialDelayMs = 0, changed = () => {}): Watched {
  const ends: LinkEnd[] = []
  const record = (link: Link): Link => {
    if (link.protocol !== 'tessera.groups.1') return link
    const bondId = digest(link.sharedRandom('tessera.bond.id')) as BondId
    const end: LinkEnd = { bondId, role: link.role, reason: null }
    ends.push(end)
    return new Proxy(link, {
      get(target, key) {
        if (key === 'onClose') {
          return (handler: Parameters<Link['onClose']>[0]) =>
            target.onClose((reason, byPeer) => {
              end.reason = reason
              handler(reason, byPeer)
              changed()
            })
        }
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  const endpoint: Transport['endpoint'] = (deps) => {
    const inner = transport.endpoint(deps)
    return {
      dial: async (address, options) => {
        if (dialDelayMs > 0) await new Promise<void>((resolve) => void clock.setTimeout(() => resolve(), dialDelayMs))
        return record(await inner.dial(address, options))
      },
      listen: (address, protocols, accept) => inner.listen(address, protocols, (link) => accept(record(link))),
      close: () => inner.close(),
    }
  }
  return { transport: { understands: (address) => transport.understands(address), endpoint }, ends }
}

function discoveryOf(node: TesseraNode): ActorRefFrom<typeof discoveryMachine> {
  const actor = node.actor.getSnapshot().children.discovery
  if (!actor) throw new Error('the node does not run')
  return actor as ActorRefFrom<typeof discoveryMachine>
}

function ownRecord(node: TesseraNode): CatalogRecord {
  const { catalog } = discoveryOf(node).getSnapshot().context
  const record = recordOf(catalog, node.id)
  if (!record) throw new Error('the node has no entry')
  return record
}

/** Puts `other`'s newest entry into `node`'s catalog, as if a third had announced it. */
export function tell(node: TesseraNode, other: TesseraNode, clock: Clock): void {
  discoveryOf(node).send({ type: 'discovery.received', records: [ownRecord(other)], nowMs: clock.now() })
}

/** Each has waited long enough for the other to dial. */
export function tire(sides: readonly { readonly node: TesseraNode; readonly group: Group }[]): void {
  for (const { group } of sides) {
    for (const { node } of sides) group.actor.send({ type: 'group.redial', peer: node.id })
  }
}

/** The ids of all bonds in the registry of `group`, as they stood after each change. */
export function history(group: Group, changed = () => {}): BondId[][] {
  const looks: BondId[][] = []
  group.bonds.subscribe(() => {
    looks.push([...group.bonds].map(([, { id }]) => id))
    changed()
  })
  return looks
}
