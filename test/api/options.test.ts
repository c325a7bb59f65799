/** What `createNode` and `join` refuse, before anything is started, and what of a node that could not start is left: nothing. */
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createNode,
  Identity,
  type JoinOptions,
  memory,
  type NodeOptions,
  type StateMachine,
  TesseraError,
} from '../../src/index.ts'
import { counter, createWorld, KEY } from '../nodes/world.ts'

const bad = (options: Record<string, unknown>) => options as unknown as NodeOptions
const seed = new Uint8Array(32).fill(9)

describe('createNode', () => {
  const wrong: [string, Record<string, unknown>, string][] = [
    ['no network', { network: undefined }, 'network: give a name'],
    ['an empty network', { network: '' }, 'network: give a name'],
    ['a port for an address', { listen: 7001 }, 'listen: give an array'],
    [
      'an address of another transport',
      { listen: 'http://127.0.0.1:7001' },
      'listen[0]: "http://127.0.0.1:7001" is no address',
    ],
    ['one wrong address among right ones', { bootstrap: ['ws://a:1', 'b:2'] }, 'bootstrap[1]: "b:2" is no address'],
    ['one string to bootstrap from', { bootstrap: 'ws://a:1' }, 'bootstrap: give an array'],
    ['a wrong address to advertise', { advertise: ['10.0.0.5'] }, 'advertise[0]: "10.0.0.5" is no address'],
    ['more addresses than an entry holds', { advertise: Array(17).fill('ws://a:1') }, 'advertise: at most 16'],
    ['an identity that cannot sign', { identity: { peer: 'me' } }, 'identity: give an Identity'],
    ['a path for a storage', { storage: './data' }, 'storage: give memory()'],
    ['a tag that is no name', { tags: ['matcher', 7] }, 'tags[1]: a value of type number is no name'],
    ['a ticket without data', { tickets: [{ class: 'jwt' }] }, 'tickets[0]: a value of type object is no ticket'],
    ['an inspector that hears nothing', { inspect: {} }, 'inspect: give an XState inspector'],
    ['a transport that dials nothing', { transport: { understands: () => true } }, 'transport: give webSocket()'],
    ['a clock without timers', { clock: { now: () => 0 } }, 'clock: give a Clock'],
    ['a number for a random source', { random: 4 }, 'random: give a function'],
    ['a warning that cannot be called', { warn: true }, 'warn: give a function'],
    ['a signal that is none', { signal: {} }, 'signal: give an AbortSignal'],
  ]
  it.each(wrong)('refuses %s, and says which option is wrong', async (_, options, detail) => {
    const refusal = await createNode(bad({ network: 'test', ...options })).catch((error) => error)
    expect(refusal).toBeInstanceOf(TesseraError)
    expect(refusal).toMatchObject({ code: 'InvalidOption', retryable: false, message: expect.stringContaining(detail) })
  })

  it('refuses memory() with an identity that comes back: its votes would be forgotten', async () => {
    const identity = Identity.fromSeed(seed, 'fixed')
    await expect(createNode({ network: 'test', identity })).rejects.toMatchObject({ code: 'UnsafeStorage' })
    await expect(createNode({ network: 'test', identity, storage: memory() })).rejects.toMatchObject({
      code: 'UnsafeStorage',
      retryable: false,
    })
  })

  it('takes memory() with an ephemeral identity, durable storage with a fixed one', async () => {
    const durable = { ...memory(), durable: true }
    for (const options of [
      { identity: Identity.fromSeed(seed, 'ephemeral') },
      { identity: Identity.fromSeed(seed, 'fixed'), storage: durable },
    ]) {
      const node = await createNode({ network: 'test', ...options })
      await node.stop()
    }
  })

  it('rejects ListenFailed on a used port, and lets go of the address it had already', async () => {
    const [taken, free] = [await createNode({ network: 'test', listen: 'ws://127.0.0.1:0' }), await freeAddress()]
    onTestFinished(() => taken.stop())
    const [used] = taken.addresses as [string]
    const failing = createNode({ network: 'test', listen: [free, used] })
    await expect(failing).rejects.toMatchObject({ code: 'ListenFailed', message: expect.stringContaining(used) })
    const next = await createNode({ network: 'test', listen: free })
    expect(next.addresses).toEqual([free])
    await next.stop()
  })

  it('rejects Aborted when its signal fires while it starts', async () => {
    await expect(createNode({ network: 'test', signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'Aborted',
    })
    const controller = new AbortController()
    const free = await freeAddress()
    const starting = createNode({ network: 'test', listen: free, signal: controller.signal })
    controller.abort()
    await expect(starting).rejects.toMatchObject({ code: 'Aborted' })
    await expect.poll(() => createNode({ network: 'test', listen: free }).then((node) => node.stop())).toBeUndefined()
  })
})

async function freeAddress(): Promise<string> {
  const node = await createNode({ network: 'test', listen: 'ws://127.0.0.1:0' })
  await node.stop()
  return node.addresses[0] as string
}

describe('join', () => {
  const machine = counter()
  const wrong: [string, Record<string, unknown>, string][] = [
    ['no key', { key: undefined }, 'key: give a GroupKey'],
    ['bytes for a key', { key: new Uint8Array(32) }, 'key: give a GroupKey'],
    ['no machine', { machine: undefined }, 'machine: give a StateMachine'],
    ['a machine without a snapshot', { machine: { ...machine, snapshot: undefined } }, 'machine: give a StateMachine'],
    ['a machine without a name', { machine: { ...machine, id: '' } }, 'machine.id'],
    ['a machine with half a version', { machine: { ...machine, version: 1.5 } }, 'machine.version'],
    ['half a voter', { voters: 1.5 }, 'voters: a whole number from 0 to 9'],
    ['too many voters', { voters: 10 }, 'voters: a whole number from 0 to 9'],
    ['no voters ever', { votersMax: 0 }, 'votersMax: a whole number from 1 to 9'],
    ['more voters than may be', { votersMax: 10 }, 'votersMax: a whole number from 1 to 9'],
    ['a preference nobody knows', { preference: 'eager' }, 'preference: one of normal, reluctant, observer'],
    [
      'a validator without a signature',
      { validators: [{ class: 'a', validate: () => ({ expires: 1 }) }] },
      'validators[0]',
    ],
    ['no time at all', { timing: { electionTimeoutMs: 0 } }, 'timing: positive milliseconds'],
    [
      'heartbeats slower than elections',
      { timing: { heartbeatIntervalMs: 1_500 } },
      'timing: electionTimeoutMs must be',
    ],
  ]
  it.each(wrong)('refuses %s, and says which option is wrong', async (_, options, detail) => {
    const world = createWorld(1)
    const node = await world.node('a')
    const join = () => node.join({ key: KEY, machine, ...options } as JoinOptions<StateMachine>)
    expect(join).toThrow(TesseraError)
    expect(join).toThrow(detail)
    expect(node.entry.groups).toEqual([])
    await world.stop()
  })

  it('throws NodeStopped once the node was stopped', async () => {
    const world = createWorld(1)
    const node = await world.node('a')
    await world.stop()
    expect(() => node.join({ key: KEY, machine })).toThrow(expect.objectContaining({ code: 'NodeStopped' }))
  })

  it('throws StorageFailed where the storage does not open, and has joined nothing', async () => {
    const world = createWorld(1)
    const broken = {
      durable: true,
      open: () => {
        throw new TesseraError('StorageFailed')
      },
    }
    const node = await world.node('a', { storage: broken })
    expect(() => node.join({ key: KEY, machine })).toThrow(expect.objectContaining({ code: 'StorageFailed' }))
    expect(node.entry.groups).toEqual([])
    await world.stop()
  })
})
