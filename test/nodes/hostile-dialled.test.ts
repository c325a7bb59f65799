/**
 * Hostile peers that a member dials because their entry names its group (SEMANTICS §3, the dialler's column; §7 fault 8), over real
 * sockets: the dialler gives each up for the reason that fits, does not loop, and no other bond is disturbed.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { crypto } from '../../src/identity/crypto.ts'
import { BOND } from '../../src/limits.ts'
import { encodeHandshake } from '../../src/transport/codec.ts'
import type { Link } from '../../src/transport/transport.ts'
import { eventually, Hostile, within } from './hostile-peer.ts'
import { type HonestPair, honestPair } from './hostile-world.ts'

/** Well below every deadline. */
const AT_ONCE_MS = 1_500

let pair: HonestPair
let hostile: Hostile

beforeAll(async () => {
  pair = await honestPair()
}, 30_000)

beforeEach(() => {
  hostile = new Hostile(pair.target)
})

afterEach(async () => {
  await pair.expectUndisturbed()
  await hostile.close()
})

afterAll(async () => {
  await pair.stop()
})

describe('a peer that is dialled', () => {
  interface Dialled {
    readonly groups: Link[]
    readonly syncs: Link[]
    readonly addresses: readonly string[]
  }

  /** Listens, and gives each link for groups to `answer`. */
  async function listening(answer: (link: Link) => void): Promise<Dialled> {
    const groups: Link[] = []
    const syncs: Link[] = []
    const accept = (link: Link) => {
      if (link.protocol === 'tessera.discovery.1') {
        syncs.push(link)
        void link.close('Success')
      } else {
        groups.push(link)
        answer(link)
      }
    }
    const protocols = ['tessera.groups.1', 'tessera.discovery.1'] as const
    const { addresses } = await hostile.endpoint.listen('ws://127.0.0.1:0', protocols, accept)
    return { groups, syncs, addresses }
  }

  const slot = () => pair.group.actor.getSnapshot().context.peers[hostile.identity.peer]
  /** Its entry as it is now was refused. */
  const isBlocked = () => slot() !== undefined && slot()?.blockedVersion === slot()?.version
  const reasonOf = (link: Link) => new Promise((resolve) => link.onClose(resolve))

  it('and never knows the dialler is synced with three times, then left alone until the redial', async () => {
    const dialled = await listening((link) => void link.close('UnknownPeer'))
    const attempts = () => slot()?.attempt ?? 0
    const counts: number[][] = []
    const watch = pair.group.actor.subscribe(() => {
      if (attempts() > counts.length) counts.push([dialled.groups.length, dialled.syncs.length])
    })
    await hostile.announce(hostile.entry({ addresses: dialled.addresses }))
    await eventually('the end of the first bond', () => counts.length > 0)
    watch.unsubscribe()
    expect(counts[0]).toEqual([1 + BOND.syncAttemptsMax, BOND.syncAttemptsMax])
  })

  it('and shows a wrong proof: InvalidProof, and no redial before its entry is another', async () => {
    const reasons: Promise<unknown>[] = []
    const dialled = await listening((link) => {
      reasons.push(reasonOf(link))
      link.onMessages(() => link.send(encodeHandshake({ type: 'HandshakeEnd', proof: new Uint8Array(32), bonds: [] })))
    })
    const { addresses } = dialled
    await hostile.announce(hostile.entry({ addresses }))
    await eventually('the dial', () => reasons.length > 0)
    expect(await within(AT_ONCE_MS, 'the close reason', reasons[0]!)).toBe('InvalidProof')
    await eventually('the refusal', isBlocked)
    expect(slot()).toMatchObject({ phase: 'idle', redialDue: false })
    await hostile.announce(hostile.entry({ addresses }))
    await eventually('the dial', () => reasons.length > 1)
    expect(await within(AT_ONCE_MS, 'the close reason', reasons[1]!)).toBe('InvalidProof')
  })

  it.each([
    ['garbage', 'InvalidHandshake', (link: Link) => void link.send(crypto.randomBytes(512))],
    ['nothing', 'Timeout', () => {}],
  ] as const)('and says %s: %s', async (_, reason, answer) => {
    const reasons: Promise<unknown>[] = []
    const { addresses } = await listening((link) => {
      reasons.push(reasonOf(link))
      answer(link)
    })
    await hostile.announce(hostile.entry({ addresses }))
    await eventually('the dial', () => reasons.length > 0)
    expect(await within(BOND.handshakeStepTimeoutMs + 1_500, 'the close reason', reasons[0]!)).toBe(reason)
  })

  it('without ticket is not dialled at all', async () => {
    const { groups, addresses } = await listening((link) => void link.close('Cancelled'))
    for (const tickets of [[], [{ class: 'badge', data: Uint8Array.of(0) }]]) {
      await hostile.announce(hostile.entry({ addresses, tickets }))
      await eventually('the refusal', isBlocked)
    }
    expect(slot()).toMatchObject({ phase: 'idle', redialDue: false })
    expect(groups).toEqual([])
  })
})
