/** `groupLogic` in a user's own machine: invoked, told what to do, and heard; typed from the state machine to the event. */
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import { type ActorRefFrom, assign, createActor, sendTo, setup, waitFor } from 'xstate'
import {
  type Bond,
  GroupKey,
  type GroupLogicInput,
  type GroupNews,
  groupLogic,
  type PeerId,
  type StateMachine,
  type TesseraNode,
} from '../../src/index.ts'
import { counter, createWorld, KEY, type World } from '../nodes/world.ts'
import type { Counter, CounterGroup } from './rig.ts'

const orders = groupLogic<Counter>()

type AppEvent = GroupNews<Counter> | { type: 'app.add'; by: number } | { type: 'app.close' }

const appMachine = setup({
  types: {
    input: {} as { node: TesseraNode; key: GroupKey; voters?: number },
    context: {} as {
      node: TesseraNode
      key: GroupKey
      voters: number
      total: number
      news: string[]
      failure: unknown
    },
    events: {} as AppEvent,
  },
  actors: { orders },
}).createMachine({
  context: ({ input }) => ({ voters: 3, ...input, total: 0, news: [], failure: null }),
  initial: 'open',
  states: {
    open: {
      invoke: {
        id: 'orders',
        src: 'orders',
        input: ({ context: { node, key, voters } }): GroupLogicInput<Counter> => ({
          node,
          key,
          voters,
          machine: counter(),
        }),
        onError: { target: 'failed', actions: assign({ failure: ({ event }) => event.error }) },
      },
      on: {
        'app.add': {
          actions: sendTo('orders', ({ event }) => ({ type: 'group.execute', command: { add: event.by } })),
        },
        'app.close': 'closed',
        'group.executed': { actions: assign({ total: ({ event }) => event.result }) },
        '*': { actions: assign({ news: ({ context, event }) => [...context.news, event.type] }) },
      },
    },
    closed: {},
    failed: {},
  },
})

async function apps(
  world: World,
  size = 3,
): Promise<{ nodes: TesseraNode[]; actors: ActorRefFrom<typeof appMachine>[] }> {
  const nodes: TesseraNode[] = []
  for (let i = 0; i < size; i++) nodes.push(await world.node(`n${i}`))
  const actors = nodes.map((node) => createActor(appMachine, { input: { node, key: KEY, voters: size } }).start())
  return { nodes, actors }
}

const newsOf = (actor: ActorRefFrom<typeof appMachine>) => actor.getSnapshot().context.news
const heard = (actor: ActorRefFrom<typeof appMachine>, type: string) =>
  waitFor(actor, () => newsOf(actor).includes(type))

afterEach(() => {
  vi.restoreAllMocks()
})

describe('invoked in a user’s machine', () => {
  it('joins, and tells of leader, bonds, commits', async () => {
    const world = createWorld(1)
    const { actors } = await apps(world)
    for (const type of ['group.online', 'group.leaderChanged', 'group.committed', 'bond.formed'])
      await world.until(Promise.all(actors.map((actor) => heard(actor, type))))
    await world.stop()
  })

  it('executes what it is sent, and answers with the command’s own result', async () => {
    const world = createWorld(2)
    const { actors } = await apps(world)
    await world.until(Promise.all(actors.map((actor) => heard(actor, 'group.online'))))
    const totals: number[] = []
    for (const actor of actors) {
      actor.send({ type: 'app.add', by: 2 })
      await world.until(waitFor(actor, ({ context }) => context.total > 0))
      totals.push(actor.getSnapshot().context.total)
    }
    expect(totals).toEqual([2, 4, 6])
    await world.stop()
  })

  it('tells of a command that was refused, with the command and why', async () => {
    const world = createWorld(3)
    const { actors } = await apps(world)
    const [actor] = actors as [(typeof actors)[0]]
    await world.until(heard(actor, 'group.online'))
    const refused = new Promise<GroupNews<Counter>>((resolve) => {
      const child = actor.getSnapshot().children.orders
      child?.on('group.refused', resolve)
    })
    actor.send({ type: 'app.add', by: -1 })
    expect(await world.until(refused)).toMatchObject({ command: { add: -1 }, error: { code: 'CommandFailed' } })
    expect(newsOf(actor)).toContain('group.refused')
    await world.stop()
  })

  it('tells when the leader is lost and when bonds end', async () => {
    const world = createWorld(4)
    const { nodes, actors } = await apps(world)
    await world.until(Promise.all(actors.map((actor) => heard(actor, 'group.online'))))
    const [first, ...others] = nodes.map((node) => node.addresses[0] as string)
    world.network.partition([[first as string], others])
    const [actor] = actors as [(typeof actors)[0]]
    await world.until(heard(actor, 'bond.terminated'))
    await world.until(heard(actor, 'group.offline'))
    await world.stop()
  })

  it('leaves when the state that invokes it is left', async () => {
    const world = createWorld(5)
    const { nodes, actors } = await apps(world)
    await world.until(Promise.all(actors.map((actor) => heard(actor, 'group.online'))))
    const [node, actor] = [nodes[0], actors[0]] as [TesseraNode, (typeof actors)[0]]
    expect(node.entry.groups).toHaveLength(1)
    const bonds = Promise.all(actors.slice(1).map((other) => heard(other, 'bond.terminated')))
    actor.send({ type: 'app.close' })
    await world.until(bonds)
    expect(node.entry.groups).toEqual([])
    expect(actor.getSnapshot().children.orders).toBeUndefined()
    await world.stop()
  })

  it('leaves when the user’s machine is stopped, and says nothing to it any more', async () => {
    const warn = vi.spyOn(console, 'warn')
    const world = createWorld(6)
    const { nodes, actors } = await apps(world)
    await world.until(Promise.all(actors.map((actor) => heard(actor, 'group.online'))))
    const [node, actor] = [nodes[0], actors[0]] as [TesseraNode, (typeof actors)[0]]
    actor.send({ type: 'app.add', by: 1 })
    actor.stop()
    await world.clock.advance(2_000)
    expect(node.entry.groups).toEqual([])
    await world.stop()
    expect(warn).not.toHaveBeenCalled()
  })

  it('surfaces what join throws as its own error', async () => {
    const world = createWorld(7)
    const node = await world.node('a')
    const actor = createActor(appMachine, { input: { node, key: KEY, voters: 99 } }).start()
    expect(actor.getSnapshot().value).toBe('failed')
    expect(actor.getSnapshot().context.failure).toMatchObject({
      code: 'InvalidOption',
      message: expect.stringContaining('voters'),
    })
    const nobody = createActor(appMachine, { input: { node: undefined as unknown as TesseraNode, key: KEY } }).start()
    expect(nobody.getSnapshot().context.failure).toMatchObject({
      code: 'InvalidOption',
      message: expect.stringContaining('node'),
    })
    await world.stop()
    const stopped = createActor(appMachine, { input: { node, key: KEY } }).start()
    expect(stopped.getSnapshot().context.failure).toMatchObject({ code: 'NodeStopped' })
  })

  it('keeps keys out of every snapshot of the user’s machine', async () => {
    const world = createWorld(8)
    const secret = Uint8Array.from({ length: 32 }, (_, i) => (i * 29 + 5) & 0xff)
    const key = GroupKey.fromSecret(secret)
    const node = await world.node('a')
    const actor = createActor(appMachine, { input: { node, key, voters: 1 } }).start()
    await world.until(heard(actor, 'group.online'))
    const text = JSON.stringify([actor.getSnapshot(), actor.getPersistedSnapshot()])
    expect(text).toContain('orders')
    const bytes = Buffer.from(secret)
    for (const form of [bytes.toString('hex'), bytes.toString('base64'), [...secret].join(',')])
      expect(text).not.toContain(form)
    await world.stop()
  })
})

describe('types, end to end', () => {
  type Command = { add: number }

  it('a group takes its machine’s commands and gives its results', () => {
    type Execute = CounterGroup['execute']
    expectTypeOf<Parameters<Execute>[0]>().toEqualTypeOf<Command>()
    expectTypeOf<Awaited<ReturnType<Execute>>>().toEqualTypeOf<{ readonly index: number; readonly result: number }>()
    expectTypeOf<Awaited<ReturnType<CounterGroup['executeMany']>>[0]['result']>().toBeNumber()
    expectTypeOf<Parameters<CounterGroup['query']>[0]>().toEqualTypeOf<'total'>()
    expectTypeOf<Awaited<ReturnType<CounterGroup['query']>>['answer']>().toBeNumber()
    expectTypeOf<CounterGroup['leader']>().toEqualTypeOf<PeerId | null>()
    expectTypeOf<ReturnType<CounterGroup['bonds']['get']>>().toEqualTypeOf<Bond | undefined>()
  })

  it('join infers the machine', () => {
    type Joined = ReturnType<typeof joinNames>
    const joinNames = (node: TesseraNode) =>
      node.join({ key: KEY, machine: {} as StateMachine<'a' | 'b', Date, 7, boolean> })
    expectTypeOf<Parameters<Joined['execute']>[0]>().toEqualTypeOf<'a' | 'b'>()
    expectTypeOf<Awaited<ReturnType<Joined['query']>>['answer']>().toEqualTypeOf<boolean>()
    const wrong = (group: Joined) => {
      // @ts-expect-error no such command
      void group.execute('c')
      // @ts-expect-error no such query
      void group.query(8)
    }
    expect(wrong).toBeTypeOf('function')
  })

  it('groupLogic takes commands of its machine, and its news carries their results', () => {
    type News = GroupNews<Counter>
    expectTypeOf<Extract<News, { type: 'group.executed' }>['result']>().toBeNumber()
    expectTypeOf<Extract<News, { type: 'group.refused' }>['command']>().toEqualTypeOf<Command>()
    expectTypeOf<Extract<News, { type: 'group.leaderChanged' }>['leader']>().toEqualTypeOf<PeerId | null>()
    const send = (child: ActorRefFrom<typeof orders>) => {
      child.send({ type: 'group.execute', command: { add: 1 } })
      // @ts-expect-error not a command of the counter
      child.send({ type: 'group.execute', command: { subtract: 1 } })
      // @ts-expect-error not an event it takes
      child.send({ type: 'group.leave' })
      child.on('group.executed', ({ result }) => expectTypeOf(result).toBeNumber())
      // @ts-expect-error not an event it emits
      child.on('group.exploded', () => {})
    }
    expect(send).toBeTypeOf('function')
    const wrong = (node: TesseraNode, machine: StateMachine<string, string, string, string>) => {
      // @ts-expect-error the machine is of another type
      const input: GroupLogicInput<Counter> = { node, key: KEY, machine }
      return input
    }
    expect(wrong).toBeTypeOf('function')
  })
})
