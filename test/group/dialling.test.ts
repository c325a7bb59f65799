import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PeerId } from '../../src/identity/keys.ts'
import { BOND } from '../../src/limits.ts'
import { comesFirst, isFirstRound, mayDial, nextInRing, redialDelay } from '../../src/machines/group/dialling.ts'
import { type RandomState, randomFrom } from '../../src/machines/random.ts'
import { BOND_ID, FIRST, INPUT, LARGE, rig, SELF, SMALL } from './rig.ts'

describe('who is dialled', () => {
  it('a peer whose catalog entry names the group', () => {
    const group = rig()
    group.names(SMALL)
    expect(group.spawned).toMatchObject([
      {
        id: 'bond:111111',
        input: {
          role: 'dialler',
          self: SELF,
          peer: SMALL,
          group: INPUT.group,
          addresses: [`memory:${SMALL}`],
          linkNumber: null,
        },
      },
    ])
    expect(group.slot(SMALL)?.phase).toBe('dialling')
  })

  it('never itself', () => {
    const group = rig()
    group.names(SELF)
    expect(group.spawned).toEqual([])
    expect(group.context.peers).toEqual({})
  })

  it('never one that is being dialled or bonded', () => {
    const group = rig()
    group.names(SMALL)
    group.names(SMALL)
    const { id } = group.spawned[0]!
    group.claims(id)
    group.steady(id)
    group.names(SMALL)
    expect(group.spawned).toHaveLength(1)
  })

  it('never one without an address: it dials by itself', () => {
    const group = rig()
    group.send({
      type: 'group.catalog',
      peers: [{ peer: LARGE, addresses: [], version: '1', incarnation: 1, departed: false }],
    })
    expect(group.spawned).toEqual([])
  })

  it('never a departed one', () => {
    const group = rig()
    const departed = { peer: SMALL, addresses: ['a'], version: '2', incarnation: 1, departed: true }
    group.send({ type: 'group.catalog', peers: [departed] })
    group.pass(60_000)
    expect(group.spawned).toEqual([])
  })

  it('a few at a time, and one of those that wait whenever a dial has come to its end', () => {
    const group = rig()
    const many = Array.from({ length: BOND.dialsMax + 3 }, (_, at) => `e${at}`.repeat(32) as PeerId)
    for (const peer of many) group.names(peer)
    const dialled = () => group.spawned.map(({ input }) => input.peer)
    expect(dialled()).toEqual(many.slice(0, BOND.dialsMax))
    const [first, second] = group.spawned.map(({ id }) => id) as [string, string]
    group.claims(first)
    expect(dialled()).toHaveLength(BOND.dialsMax)
    group.steady(first)
    expect(dialled()).toEqual(many.slice(0, BOND.dialsMax + 1))
    group.ends(second, 'Timeout')
    expect(dialled()).toEqual(many.slice(0, BOND.dialsMax + 2))
  })

  it('of those that wait, those first whom it decides for', () => {
    const group = rig()
    const busy = Array.from({ length: BOND.dialsMax }, (_, at) => `e${at}`.repeat(32) as PeerId)
    for (const peer of [...busy, SMALL, LARGE]) group.names(peer)
    for (const { id } of group.spawned.slice(0, 2)) group.ends(id, 'Timeout')
    expect(group.spawned.slice(BOND.dialsMax).map(({ input }) => input.peer)).toEqual([LARGE, SMALL])
  })

  it('never one that waited and was bonded meanwhile, or has departed', () => {
    const group = rig()
    const busy = Array.from({ length: BOND.dialsMax }, (_, at) => `e${at}`.repeat(32) as PeerId)
    for (const peer of [...busy, SMALL, LARGE]) group.names(peer)
    const inbound = group.accepts(SMALL)
    group.claims(inbound)
    group.steady(inbound)
    const departed = { peer: LARGE, addresses: ['a'], version: '2', incarnation: 1, departed: true }
    group.send({ type: 'group.catalog', peers: [departed] })
    const before = group.spawned.length
    for (const { id } of group.spawned.slice(0, 2)) group.ends(id, 'Departed')
    expect(group.spawned).toHaveLength(before)
  })

  it('in the order of the ring, from its own id on', () => {
    const ids = ['1', '3', '5', '7', '9'].map((digit) => digit.repeat(64) as PeerId)
    const inTurn = (self: PeerId) => {
      let left = ids.filter((peer) => peer !== self)
      return ids.slice(1).map(() => {
        const next = nextInRing(self, left.toReversed())
        left = left.filter((peer) => peer !== next)
        return ids.indexOf(next!)
      })
    }
    expect(ids.map(inTurn)).toEqual([
      [1, 2, 3, 4],
      [2, 3, 4, 0],
      [3, 4, 0, 1],
      [4, 0, 1, 2],
      [0, 1, 2, 3],
    ])
    expect(nextInRing(SELF, [])).toBeNull()
  })

  it('of each pair one end first, and from each as many as from any other', () => {
    const id = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString('hex') as PeerId)
    fc.assert(fc.property(id, id, (a, b) => a === b || comesFirst(a, b) !== comesFirst(b, a)))
    const places = Array.from({ length: 255 }, (_, at) => at.toString(16).padStart(2, '0').repeat(32) as PeerId)
    for (const self of places) {
      const after = places.filter((peer) => peer !== self && comesFirst(self, peer)).length
      expect(Math.abs(after - 127)).toBeLessThanOrEqual(1)
    }
  })

  it('one that comes first only once it has had time to dial us', () => {
    const group = rig()
    group.names(FIRST)
    expect(group.slot(FIRST)).toMatchObject({ phase: 'idle', redialDue: true })
    group.pass(BOND.patienceMs - 10)
    expect(group.spawned).toEqual([])
    group.pass(BOND.patienceMs)
    expect(group.spawned).toMatchObject([{ input: { role: 'dialler', peer: FIRST } }])
  })

  it('one that comes first not at all where it has dialled us', () => {
    const group = rig()
    group.names(FIRST)
    const inbound = group.accepts(FIRST)
    group.claims(inbound)
    group.steady(inbound)
    group.pass(BOND.redialResetMs)
    expect(group.spawned).toHaveLength(1)
  })

  it('one that comes first not while others are dialled for the first time, though others fail again and again', () => {
    const group = rig()
    group.names(FIRST, SMALL)
    expect(group.clock.pending).toBe(0)
    group.pass(4 * BOND.patienceMs)
    expect(group.spawned).toHaveLength(1)
    group.ends(group.spawned[0]!.id, 'Timeout')
    group.pass(2 * BOND.patienceMs)
    expect(group.spawned.map(({ input }) => input.peer)).toEqual([SMALL, SMALL, FIRST])
  })

  it('fault 5: whatever happens, one that is wanted and free is queued, due, or awaited while a dial of the first round is under way', () => {
    const peers = [SMALL, LARGE, FIRST, '78'.repeat(32) as PeerId, 'e3'.repeat(32) as PeerId, '9a'.repeat(32) as PeerId]
    const steps = fc.array(fc.tuple(fc.nat(6), fc.nat(40)), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (taken) => {
        const group = rig()
        for (const [step, at] of taken) {
          const bonds = Object.keys(group.context.bonds)
          const bond = bonds[at % Math.max(1, bonds.length)]
          const holds = bond && group.slot(group.context.bonds[bond]!.peer)?.bond === bond
          if (step === 0) group.names(peers[at % peers.length]!)
          else if (step === 1) group.accepts(peers[at % peers.length]!)
          else if (step === 2 && bond) group.claims(bond)
          else if (step === 3 && bond && holds) group.steady(bond)
          else if (step === 4 && bond) group.ends(bond, 'Timeout')
          else if (step === 5) group.pass(at * 20)
          const { context } = group
          const awaited = peers.filter((peer) => context.peers[peer] && mayDial(SELF, peer, context.peers[peer]))
          if (awaited.length > 0) expect(isFirstRound(context.peers)).toBe(true)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('at once, one that comes first and to which a bond was lost', () => {
    const group = rig()
    const inbound = group.accepts(FIRST)
    group.names(FIRST)
    group.claims(inbound)
    group.steady(inbound)
    group.ends(inbound, 'UnexpectedClose', true)
    group.pass(BOND.redialMinMs)
    expect(group.spawned.at(-1)).toMatchObject({ input: { role: 'dialler', peer: FIRST } })
  })

  it('never one whose link was here before its name', () => {
    const group = rig()
    const inbound = group.accepts(SMALL)
    expect(group.context.peers).toEqual({})
    group.names(SMALL)
    expect(group.slot(SMALL)).toMatchObject({ inbound })
    expect(group.spawned).toHaveLength(1)
  })

  it('never one that is about to be bonded over a link of its own, unless that comes to nothing', () => {
    const group = rig()
    const many = Array.from({ length: BOND.dialsMax }, (_, at) => `e${at}`.repeat(32) as PeerId)
    group.names(...many, SMALL)
    const inbound = group.accepts(SMALL)
    group.ends(group.spawned[0]!.id, 'Unauthorized')
    expect(group.spawned.filter(({ input }) => input.role === 'dialler')).toHaveLength(BOND.dialsMax)
    expect(group.slot(SMALL)).toMatchObject({ inbound, queued: false, redialDue: false })
    group.ends(inbound, 'Timeout')
    expect(group.slot(SMALL)).toMatchObject({ inbound: null, redialDue: true })
    group.pass(BOND.redialMinMs)
    expect(group.spawned.at(-1)!.input).toMatchObject({ role: 'dialler', peer: SMALL })
  })

  it('gives two bonds of one peer ids that can be told apart', () => {
    const group = rig()
    group.names(SMALL)
    expect([group.accepts(SMALL), group.accepts(SMALL)]).toEqual(['bond:111111/2', 'bond:111111/3'])
  })

  it('seeds each bond with chance of its own', () => {
    const group = rig()
    group.names(SMALL, LARGE)
    expect(group.spawned[0]?.input.seed).not.toEqual(group.spawned[1]?.input.seed)
  })
})

/** A group that has dialled SMALL and whose bond came as far as `stage`. */
function dialled(stage: 'dialling' | 'claimed' | 'steady') {
  const group = rig()
  group.names(SMALL)
  const { id } = group.spawned[0]!
  if (stage !== 'dialling') group.claims(id)
  if (stage === 'steady') group.steady(id)
  return { group, id }
}

describe('redials', () => {
  it.each(['UnexpectedClose', 'Timeout', 'DialFailed', 'GroupNotFound', 'AlreadyBonded', 'ProtocolViolation'] as const)(
    'fault 5: after %s a redial is due, whatever stage the bond was in',
    (reason) => {
      for (const stage of ['dialling', 'claimed', 'steady'] as const) {
        const { group, id } = dialled(stage)
        group.ends(id, reason, stage === 'steady')
        expect(group.slot(SMALL)).toMatchObject({ phase: 'idle', redialDue: true })
        group.pass(BOND.redialMinMs)
        expect(group.spawned).toHaveLength(2)
      }
    },
  )

  it('fault 5: follow each other for as long as the peer is wanted', () => {
    const { group } = dialled('dialling')
    for (let count = 0; count < 20; count++) {
      group.ends(group.spawned.at(-1)!.id, 'DialFailed')
      group.pass(BOND.redialMaxMs)
      expect(group.spawned).toHaveLength(count + 2)
    }
  })

  it('fault 5: an inbound bond that is lost is redialled as well', () => {
    const group = rig()
    group.names(SMALL)
    const inbound = group.accepts(SMALL)
    group.claims(inbound)
    group.ends(group.spawned[0]!.id, 'AlreadyBonded')
    group.steady(inbound)
    group.ends(inbound, 'UnexpectedClose', true)
    group.pass(BOND.redialMinMs)
    expect(group.spawned).toHaveLength(3)
  })

  it('are not due while another bond stands', () => {
    const { group, id } = dialled('dialling')
    const inbound = group.accepts(SMALL)
    group.claims(inbound)
    group.ends(id, 'AlreadyBonded')
    group.pass(BOND.redialMaxMs)
    expect(group.spawned).toHaveLength(2)
    expect(group.slot(SMALL)).toMatchObject({ phase: 'claimed', bond: inbound, redialDue: false })
  })

  it.each(['InvalidProof', 'NotAllowed', 'Unauthorized'] as const)(
    'wait after %s for another entry version',
    (reason) => {
      const { group, id } = dialled('dialling')
      group.ends(id, reason)
      group.names(SMALL)
      group.pass(60_000)
      expect(group.spawned).toHaveLength(1)
      group.send({
        type: 'group.catalog',
        peers: [{ peer: SMALL, addresses: [`memory:${SMALL}`], version: '2', incarnation: 1, departed: false }],
      })
      expect(group.spawned).toHaveLength(2)
    },
  )

  it('never follow a departure, until the peer’s entry is back', () => {
    const { group, id } = dialled('steady')
    group.ends(id, 'Departed', true)
    group.pass(60_000)
    expect(group.spawned).toHaveLength(1)
    group.names(SMALL)
    expect(group.spawned).toHaveLength(2)
  })

  it('stop when the peer leaves the catalog, also one that waits already', () => {
    const { group, id } = dialled('dialling')
    group.ends(id, 'DialFailed')
    group.send({
      type: 'group.catalog',
      peers: [{ peer: SMALL, addresses: ['a'], version: '2', incarnation: 1, departed: true }],
    })
    group.pass(60_000)
    expect(group.spawned).toHaveLength(1)
    expect(group.context.peers).toEqual({})
  })

  it('leave no timer behind when they are called off', () => {
    const { group, id } = dialled('dialling')
    group.ends(id, 'DialFailed')
    expect(group.clock.pending).toBe(1)
    group.send({
      type: 'group.catalog',
      peers: [{ peer: SMALL, addresses: ['a'], version: '2', incarnation: 1, departed: true }],
    })
    expect(group.clock.pending).toBe(0)
  })

  it('stop when the peer leaves the catalog while its bond stands', () => {
    const { group, id } = dialled('steady')
    group.send({
      type: 'group.catalog',
      peers: [{ peer: SMALL, addresses: ['a'], version: '2', incarnation: 1, departed: true }],
    })
    expect(group.slot(SMALL)?.phase).toBe('steady')
    group.ends(id, 'UnexpectedClose', true)
    group.pass(60_000)
    expect(group.spawned).toHaveLength(1)
    expect(group.context.peers).toEqual({})
  })

  it('are not hurried by news of the peer, but by a new address of it', () => {
    const { group, id } = dialled('dialling')
    group.ends(id, 'DialFailed')
    group.names(SMALL)
    expect(group.spawned).toHaveLength(1)
    group.send({
      type: 'group.catalog',
      peers: [{ peer: SMALL, addresses: ['new'], version: '2', incarnation: 1, departed: false }],
    })
    expect(group.spawned).toHaveLength(2)
    expect(group.spawned[1]?.input.addresses).toEqual(['new'])
    group.pass(60_000)
    expect(group.spawned).toHaveLength(2)
  })

  it('start from the shortest pause again after 10 s of steady state, not before', () => {
    for (const [steadyMs, attempt] of [
      [BOND.redialResetMs - 10, 4],
      [BOND.redialResetMs, 1],
    ] as const) {
      const { group } = dialled('dialling')
      for (let failed = 0; failed < 3; failed++) {
        group.ends(group.spawned.at(-1)!.id, 'DialFailed')
        group.pass(BOND.redialMaxMs)
      }
      const { id } = group.spawned.at(-1)!
      group.claims(id)
      group.steady(id)
      group.pass(steadyMs)
      group.ends(id, 'UnexpectedClose', true)
      expect(group.slot(SMALL)?.attempt).toBe(attempt)
    }
  })

  it('count the 10 s of each bond by themselves', () => {
    const { group } = dialled('dialling')
    for (let bonds = 0; bonds < 2; bonds++) {
      const { id } = group.spawned.at(-1)!
      group.claims(id)
      group.steady(id)
      group.pass(BOND.redialResetMs - 1_000)
      group.ends(id, 'UnexpectedClose', true)
      group.pass(BOND.redialMinMs * 2)
    }
    expect(group.slot(SMALL)?.attempt).toBe(2)
  })

  it('follow the bond that stood, not a link that was refused beside it', () => {
    const { group, id } = dialled('steady')
    group.ends(group.accepts(SMALL), 'NotAllowed')
    group.ends(group.accepts(SMALL), 'Departed')
    group.ends(id, 'UnexpectedClose', true)
    expect(group.slot(SMALL)?.redialDue).toBe(true)
  })

  it('pause with full jitter, 100 ms doubling to 30 s', () => {
    const seeds = fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.integer())
    fc.assert(
      fc.property(fc.nat(1_000), seeds, (attempt, seed) => {
        const [delayMs] = redialDelay(attempt, randomFrom(seed as RandomState))
        return delayMs >= 0 && delayMs < Math.min(BOND.redialMaxMs, BOND.redialMinMs * 2 ** attempt)
      }),
    )
    const drawn = Array.from({ length: 200 }, (_, seed) => redialDelay(9, randomFrom([seed, 0, 0, 0]))[0])
    expect(Math.min(...drawn)).toBeLessThan(3_000)
    expect(Math.max(...drawn)).toBeGreaterThan(27_000)
  })
})

describe('the claim on a peer', () => {
  it('is granted to the first, and granted again to its holder', () => {
    const { group, id } = dialled('claimed')
    group.claims(id)
    expect(group.toldTo(id)).toEqual(['bond.granted', 'bond.granted'])
  })

  it('of a smaller peer’s link takes it from an own dial that is not steady', () => {
    const { group, id } = dialled('claimed')
    const inbound = group.accepts(SMALL)
    group.claims(inbound)
    expect(group.toldTo(inbound)).toEqual(['bond.granted'])
    expect(group.toldTo(id)).toEqual(['bond.granted', 'bond.superseded'])
    expect(group.slot(SMALL)?.bond).toBe(inbound)
  })

  it('of a larger peer’s link is refused where an own dial holds it', () => {
    const group = rig()
    group.names(LARGE)
    group.claims(group.spawned[0]!.id)
    const inbound = group.accepts(LARGE)
    group.claims(inbound)
    expect(group.toldTo(inbound)).toEqual(['bond.refused'])
  })

  it.each([SMALL, LARGE])('of an own dial is refused where a link of the peer holds it', (peer) => {
    const group = rig()
    const inbound = group.accepts(peer)
    group.claims(inbound)
    const second = group.accepts(peer)
    group.claims(second)
    group.names(peer)
    expect(group.toldTo(second)).toEqual(['bond.refused'])
    expect(group.spawned).toHaveLength(2)
  })

  it('is never taken from a steady bond', () => {
    const { group, id } = dialled('steady')
    const inbound = group.accepts(SMALL)
    group.claims(inbound)
    expect(group.toldTo(inbound)).toEqual(['bond.refused'])
    expect(group.slot(SMALL)?.bond).toBe(id)
  })

  it.each([
    ['names the group', false],
    ['does not name it yet', true],
  ])('of a steady bond ends when its peer is a newer process, whose entry %s', (_how, departed) => {
    const { group, id } = dialled('steady')
    const entry = (version: string, gone: boolean) => {
      const told = { peer: SMALL, addresses: ['new'], version, incarnation: 2, departed: gone }
      group.send({ type: 'group.catalog', peers: [told] })
    }
    entry('2', departed)
    expect(group.toldTo(id)).toEqual(['bond.granted', 'bond.superseded'])
    group.ends(id, 'AlreadyBonded', true)
    entry('3', false)
    group.pass(BOND.redialMinMs)
    expect(group.spawned).toHaveLength(2)
  })

  it('of a steady bond is left alone by news of the same process', () => {
    const { group, id } = dialled('steady')
    const entry = { peer: SMALL, addresses: ['new'], version: '9', incarnation: 1, departed: false }
    group.send({ type: 'group.catalog', peers: [entry] })
    expect(group.toldTo(id)).toEqual(['bond.granted'])
  })

  it('is not taken from a handshake by an entry that may have come over its own link', () => {
    const { group, id } = dialled('claimed')
    const entry = { peer: SMALL, addresses: ['new'], version: '2', incarnation: 2, departed: false }
    group.send({ type: 'group.catalog', peers: [entry] })
    expect(group.toldTo(id)).toEqual(['bond.granted'])
  })

  it('is needed to become steady: one that lost it is not registered', () => {
    const { group, id } = dialled('claimed')
    group.claims(group.accepts(SMALL))
    group.steady(id)
    expect(group.effects('registerBond')).toEqual([])
    expect(group.slot(SMALL)?.phase).toBe('claimed')
  })

  it('is free again when its holder has ended', () => {
    const { group, id } = dialled('claimed')
    group.ends(id, 'Timeout')
    group.told.length = 0
    const inbound = group.accepts(SMALL)
    group.claims(inbound)
    expect(group.toldTo(inbound)).toEqual(['bond.granted'])
  })

  it('of a bond that has ended meanwhile is ignored', () => {
    const { group, id } = dialled('dialling')
    group.ends(id, 'Timeout')
    group.send({ type: 'bond.claim', bond: id, peer: SMALL, role: 'dialler' })
    expect(group.slot(SMALL)?.bond).toBeNull()
  })
})

describe('a steady bond', () => {
  it('is registered, told to raft, emitted, and announced', () => {
    const group = rig()
    const [small, large] = [group.accepts(SMALL), group.accepts(LARGE)]
    group.claims(small)
    group.claims(large)
    group.steady(small)
    expect(group.toldTo(small)).toEqual(['bond.granted'])
    group.steady(large)
    expect(group.effects('announceBond')).toEqual([
      { peer: SMALL, bondId: BOND_ID },
      { peer: LARGE, bondId: BOND_ID },
    ])
    expect(group.effects('registerBond')).toEqual([
      { peer: SMALL, bond: small, bondId: BOND_ID },
      { peer: LARGE, bond: large, bondId: BOND_ID },
    ])
    expect(group.effects('tellRaft')).toEqual([
      { type: 'raft.bondFormed', peer: SMALL },
      { type: 'raft.bondFormed', peer: LARGE },
    ])
    expect(group.emitted).toContainEqual({ type: 'bond.formed', peer: LARGE, bondId: BOND_ID })
  })

  it.each([
    ['UnexpectedClose', false],
    ['Departed', true],
  ] as const)('that ends %s is taken back once', (reason, departed) => {
    const { group, id } = dialled('steady')
    group.ends(id, reason, true)
    expect(group.effects('unregisterBond')).toEqual([{ peer: SMALL, bond: id, reason }])
    expect(group.effects('tellRaft').at(-1)).toEqual({ type: 'raft.bondLost', peer: SMALL, departed })
    expect(group.emitted.at(-1)).toEqual({ type: 'bond.terminated', peer: SMALL, bondId: BOND_ID, reason })
    expect(group.children).toEqual(['raft', 'machine'])
  })

  it('that ends while we leave tells nothing of the peer: a leader that leaves must not remove the others', () => {
    const { group, id } = dialled('steady')
    group.send({ type: 'group.leave' })
    group.ends(id, 'Departed', true)
    expect(group.effects('tellRaft').at(-1)).toEqual({ type: 'raft.bondLost', peer: SMALL, departed: false })
  })

  it('that never was is not taken back', () => {
    const { group, id } = dialled('claimed')
    group.ends(id, 'Timeout')
    expect(group.effects('unregisterBond')).toEqual([])
    expect(group.effects('tellRaft')).toEqual([])
  })

  it('lifts what was held against the peer', () => {
    const { group, id } = dialled('dialling')
    group.ends(id, 'NotAllowed')
    const inbound = group.accepts(SMALL)
    group.claims(inbound)
    group.steady(inbound)
    group.ends(inbound, 'UnexpectedClose', true)
    expect(group.slot(SMALL)?.redialDue).toBe(true)
  })
})
