import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import type { CloseReason } from '../../src/errors.ts'
import { Identity } from '../../src/identity/keys.ts'
import { WIRE } from '../../src/limits.ts'
import { createMemoryNetwork, type MemoryNetworkOptions } from '../../src/transport/memory.ts'
import type { Link } from '../../src/transport/transport.ts'
import { ManualClock } from './manual-clock.ts'

const GROUPS = 'tessera.groups.1'
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

/** A clock without an event loop behind it: turns end when the test settles them. */
class SimulatedClock extends ManualClock implements Clock {
  #turns: (() => void)[] = []

  override endOfTurn(callback: () => void): void {
    this.#turns.push(callback)
  }

  /** Passes time in steps of one millisecond, each with all the turns and promises that come of it. */
  async run(ms: number): Promise<void> {
    for (let step = 0; step <= ms; step++) {
      this.advance(step === 0 ? 0 : 1)
      for (let idle = 0; idle < 20; idle++) {
        const turns = this.#turns
        this.#turns = []
        for (const turn of turns) turn()
        await Promise.resolve()
        this.advance(0)
      }
    }
  }
}

/** Some named endpoints on one network, and a log of all that any of them sees, with the time of it. */
async function world(names: readonly string[], options: Partial<MemoryNetworkOptions> = {}) {
  const clock = new SimulatedClock()
  const startMs = clock.now()
  const network = createMemoryNetwork({ seed: 7, encrypted: false, clock, ...options })
  const log: string[] = []
  const ends: Link[] = []
  const watch = (name: string, link: Link): Link => {
    ends.push(link)
    link.onMessages((messages) => {
      for (const message of messages) log.push(`${clock.now() - startMs} ${name}: ${new TextDecoder().decode(message)}`)
    })
    link.onClose((reason: CloseReason) => log.push(`${clock.now() - startMs} ${name} closed ${reason}`))
    return link
  }
  const endpoints = new Map(
    names.map((name, index) => {
      const identity = Identity.fromSeed(new Uint8Array(32).fill(index + 1))
      return [name, network.transport(name).endpoint({ identity, clock })]
    }),
  )
  for (const [name, endpoint] of endpoints) {
    await endpoint.listen(`memory://${name}`, [GROUPS], (link) => watch(name, link))
  }
  const dial = async (from: string, to: string): Promise<Link> =>
    watch(from, await endpoints.get(from)!.dial(`memory://${to}`, { protocol: GROUPS }))
  const linked = async (from: string, to: string): Promise<Link> => {
    const link = dial(from, to)
    await clock.run(100)
    return link
  }
  const seen = (): string[] => log.map((line) => line.replace(/^\d+(\.\d+)? /, ''))
  return { clock, network, log, seen, dial, linked, endpoints, ends }
}

describe('a cut', () => {
  it('is silent: what is sent waits, links stay open, and heal brings it in order', async () => {
    const { network, clock, linked, seen } = await world(['a', 'b'])
    const link = await linked('a', 'b')
    network.cut('a', 'b')
    link.send(text('1'))
    await clock.run(5)
    link.send(text('2'))
    await clock.run(60_000)
    expect(seen()).toEqual([])
    network.heal('a', 'b')
    link.send(text('3'))
    await clock.run(5)
    expect(seen()).toEqual(['b: 1', 'b: 2', 'b: 3'])
  }, 60_000)

  it('may be of one direction only', async () => {
    const { network, clock, linked, seen, ends } = await world(['a', 'b'])
    await linked('a', 'b')
    network.cutOneWay('a', 'memory://b')
    for (const end of ends) end.send(text(`from the ${end.role}`))
    await clock.run(5)
    expect(seen()).toEqual(['a: from the acceptor'])
  })

  it('fills the queue of the sender until it is refused', async () => {
    const { network, clock, linked } = await world(['a', 'b'])
    const link = await linked('a', 'b')
    network.cut('a', 'b')
    let sent = 0
    for (let i = 0; i < 100; i++) {
      if (link.send(new Uint8Array(1024 * 1024), 'bulk')) sent++
      await clock.run(1)
    }
    expect(sent).toBeGreaterThanOrEqual(15)
    expect(link.queuedBytes).toBeLessThanOrEqual(WIRE.linkQueueBytesMax + 4_096)
    expect(link.send(new Uint8Array(1024 * 1024))).toBe(false)
  })

  it('lets a dial wait for heal, or fail at its deadline', async () => {
    const { network, clock, dial } = await world(['a', 'b'])
    network.cut('a', 'b')
    const failing = dial('a', 'b').catch((error: { code: string }) => error.code)
    await clock.run(WIRE.dialTimeoutMs)
    expect(await failing).toBe('DialFailed')
    const lasting = dial('a', 'b')
    await clock.run(100)
    network.heal('a', 'b')
    await clock.run(20)
    expect((await lasting).role).toBe('dialler')
  })

  it('hides the end of a link too: the other end learns of it after heal', async () => {
    const { network, clock, linked, seen } = await world(['a', 'b'])
    const link = await linked('a', 'b')
    network.cut('a', 'b')
    const down = link.close('Departed')
    await clock.run(WIRE.closeTimeoutMs + 10)
    await down
    expect(seen()).toEqual(['a closed Departed'])
    network.healAll()
    await clock.run(5)
    // The reason itself was lost when the socket was cut.
    expect(seen()).toEqual(['a closed Departed', 'b closed UnexpectedClose'])
  })
})

describe('a partition', () => {
  it('lets only places of one group reach each other, and unnamed places form a group', async () => {
    const { network, clock, linked, seen } = await world(['a', 'b', 'c', 'd'])
    const links = [await linked('a', 'b'), await linked('a', 'c'), await linked('c', 'd')]
    network.partition([['a', 'b']])
    for (const link of links) link.send(text('hello'))
    await clock.run(5)
    expect(seen()).toEqual(['b: hello', 'd: hello'])
    network.healAll()
    await clock.run(5)
    expect(seen()).toEqual(['b: hello', 'd: hello', 'c: hello'])
  })
})

describe('other faults', () => {
  it('dropLinks ends the links between two places UnexpectedClose at both ends', async () => {
    const { network, clock, linked, seen } = await world(['a', 'b', 'c'])
    await linked('a', 'b')
    const kept = await linked('a', 'c')
    network.dropLinks('b', 'a')
    await clock.run(5)
    expect(seen().sort()).toEqual(['a closed UnexpectedClose', 'b closed UnexpectedClose'])
    expect(kept.send(text('x'))).toBe(true)
  })

  it('a stalled place reads nothing, though it can speak, until it resumes', async () => {
    const { network, clock, linked, seen, ends } = await world(['a', 'b'])
    await linked('a', 'b')
    network.stall('b')
    for (const end of ends) end.send(text(`from the ${end.role}`))
    await clock.run(5)
    expect(seen()).toEqual(['a: from the acceptor'])
    network.resume('b')
    await clock.run(5)
    expect(seen()).toEqual(['a: from the acceptor', 'b: from the dialler'])
  })

  it('a crashed place is gone for good', async () => {
    const { network, clock, linked, seen, dial } = await world(['a', 'b'])
    await linked('a', 'b')
    network.crash('b')
    await clock.run(5)
    expect(seen().sort()).toEqual(['a closed UnexpectedClose', 'b closed UnexpectedClose'])
    const failing = dial('a', 'b').catch((error: { code: string }) => error.code)
    await clock.run(5)
    expect(await failing).toBe('DialFailed')
  })
})

describe('the same seed gives the same run', () => {
  async function transcript(seed: number): Promise<string[]> {
    const { clock, linked, log, ends } = await world(['a', 'b', 'c'], { seed, delayMs: { min: 1, max: 9 } })
    await linked('a', 'b')
    await linked('b', 'c')
    await linked('c', 'a')
    for (let round = 0; round < 20; round++) {
      for (const end of ends) end.send(text(`round ${round}`))
      await clock.run(3)
    }
    await clock.run(20)
    return log
  }

  it('to the millisecond, and another seed another', async () => {
    const first = await transcript(1)
    expect(first).toHaveLength(120)
    expect(await transcript(1)).toEqual(first)
    expect(await transcript(2)).not.toEqual(first)
  })

  it('and the same shared randoms', async () => {
    const shared = async (): Promise<string> => {
      const { linked } = await world(['a', 'b'])
      return Buffer.from((await linked('a', 'b')).sharedRandom('x')).toString('hex')
    }
    expect(await shared()).toBe(await shared())
  })
})
