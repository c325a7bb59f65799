/**
 * Two honest members on real sockets, a group of two: neither can commit anything without the other, so whatever disturbs their bond
 * shows at once. The one under attack leads.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'vitest'
import type { Group } from '../../src/actors/group.ts'
import { createNode, type TesseraNode } from '../../src/actors/node.ts'
import { GroupKey } from '../../src/identity/group-key.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { TicketValidator } from '../../src/identity/ticket.ts'
import type { Link, Transport } from '../../src/transport/transport.ts'
import { webSocket } from '../../src/transport/websocket.ts'
import type { Target } from './hostile-peer.ts'
import { counter } from './world.ts'

/** Whoever shows a 1 may come in. */
const badges: TicketValidator = {
  class: 'badge',
  signature: 'badge.1',
  validate: (data) =>
    data[0] === 1 ? { expires: Number.POSITIVE_INFINITY } : { refused: 'This badge is somebody else’s.' },
}

const BADGE = { class: badges.class, data: Uint8Array.of(1) }
const MEBIBYTE = 1024 * 1024

type CounterGroup = Group<ReturnType<typeof counter>>

export interface HonestPair {
  readonly target: Target
  readonly node: TesseraNode
  readonly group: CounterGroup
  readonly other: { readonly node: TesseraNode; readonly group: CounterGroup }
  /** The target's own end of its newest link for groups with `peer`. */
  linkWith(peer: PeerId): Link
  /** The bond between the two is the one it was from the start, at both ends, and the group agrees through it. */
  expectUndisturbed(): Promise<void>
  stop(): Promise<void>
}

/** `transport`, which remembers each link that it hands over. */
function remembering(transport: Transport, links: Link[]): Transport {
  return {
    understands: (address) => transport.understands(address),
    endpoint: (deps) => {
      const inner = transport.endpoint(deps)
      const keep = (link: Link): Link => {
        if (link.protocol === 'tessera.groups.1') links.push(link)
        return link
      }
      return {
        dial: async (address, options) => keep(await inner.dial(address, options)),
        listen: (address, protocols, accept) => inner.listen(address, protocols, (link) => accept(keep(link))),
        close: () => inner.close(),
      }
    },
  }
}

export async function honestPair(): Promise<HonestPair> {
  const key = GroupKey.random()
  const links: Link[] = []
  const member = async (bootstrap: readonly string[]) => {
    const transport = remembering(webSocket(), links)
    const node = await createNode({
      network: 'honest',
      listen: 'ws://127.0.0.1:0',
      bootstrap,
      tickets: [BADGE],
      transport,
    })
    return { node, group: node.join({ key, machine: counter(), voters: 2, validators: [badges] }) as CounterGroup }
  }
  const first = await member([])
  const second = await member(first.node.addresses)
  const members = [first, second]
  await Promise.all(members.map(({ group }) => group.when.online()))
  const [leader, other] = first.group.isLeader ? [first, second] : [second, first]
  const bondIds = () => [leader.group.bonds.get(other.node.id)?.id, other.group.bonds.get(leader.node.id)?.id]
  const [bondId] = bondIds()
  const { term } = leader.group.status
  return {
    ...leader,
    other,
    target: {
      address: leader.node.addresses[0]!,
      network: leader.node.network,
      group: leader.group.id,
      key,
      tickets: [BADGE],
    },
    linkWith(peer) {
      const link = links.findLast((each) => each.peer === peer)
      if (!link) throw new Error('there was no link with that peer')
      return link
    },
    async expectUndisturbed() {
      const total = (await other.group.query('total', { consistency: 'weak' })).answer
      await expect(other.group.execute({ add: 1 }, { timeoutMs: 2_000 })).resolves.toMatchObject({ result: total + 1 })
      await expect(leader.group.execute({ add: 1 }, { timeoutMs: 2_000 })).resolves.toMatchObject({ result: total + 2 })
      expect(bondIds()).toEqual([bondId, bondId])
      expect(leader.group.status).toMatchObject({ role: 'leader', term, leader: leader.node.id })
    },
    async stop() {
      await Promise.all(members.map(({ node }) => node.stop()))
    },
  }
}

let collect: (() => void) | null = null

/** Bytes this process holds, after all that nobody refers to has been given back. */
function heldBytes(): number {
  if (!collect) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** What `attack`, made `times` times, leaves behind: at most `mebibytesMax`, first time not counted. */
export async function expectBounded(times: number, mebibytesMax: number, attack: () => Promise<void>): Promise<void> {
  await attack()
  const before = heldBytes()
  for (let i = 0; i < times; i++) await attack()
  expect((heldBytes() - before) / MEBIBYTE).toBeLessThan(mebibytesMax)
}

/** The most bytes in buffers at the end of any turn of the event loop while `attack` runs, above what there were before. */
export async function peakBuffers(attack: () => Promise<void>): Promise<number> {
  const bytes = () => process.memoryUsage().arrayBuffers
  const before = bytes()
  let peak = before
  let over = false
  const look = () => {
    peak = Math.max(peak, bytes())
    if (!over) setImmediate(look)
  }
  look()
  await attack().finally(() => {
    over = true
  })
  return peak - before
}
