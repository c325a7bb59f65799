/**
 * A group inside a machine of yours: `groupLogic` is invoked like any actor, takes commands as events, and tells news as events. This
 * application does its work only while it leads.
 *
 *   npx tsc -p tsconfig.tools.json && node build/examples/app-machine.js
 */
import { type ActorRefFrom, createActor, sendTo, setup, waitFor } from 'xstate'
import { createNode, GroupKey, type GroupNews, groupLogic, type TesseraNode } from '../src/index.ts' // yours: from 'tessera'
import { counter } from './counter.ts'

type Counter = ReturnType<typeof counter>

const app = setup({
  types: {
    input: {} as { name: string; node: TesseraNode; key: GroupKey },
    context: {} as { name: string; node: TesseraNode; key: GroupKey },
    events: {} as GroupNews<Counter> | { type: 'work' } | { type: 'quit' },
  },
  actors: { group: groupLogic<Counter>() },
  guards: { leads: ({ context, event }) => event.type === 'group.leaderChanged' && event.leader === context.node.id },
  actions: { log: ({ context }, { text }: { text: string }) => console.log(`${context.name} ${text}`) },
}).createMachine({
  context: ({ input }) => input,
  initial: 'member',
  states: {
    member: {
      invoke: {
        id: 'group',
        src: 'group',
        input: ({ context: { node, key } }) => ({ node, key, machine: counter(), voters: 3 }),
      },
      initial: 'following',
      on: {
        quit: 'done',
        'group.executed': { actions: { type: 'log', params: ({ event }) => ({ text: `total ${event.result}` }) } },
      },
      states: {
        following: { on: { 'group.leaderChanged': { guard: 'leads', target: 'leading' } } },
        leading: {
          entry: { type: 'log', params: { text: 'leads' } },
          on: {
            work: { actions: sendTo('group', { type: 'group.execute', command: { by: 5 } }) },
            'group.leaderChanged': [{ guard: 'leads' }, { target: 'following' }],
          },
        },
      },
    },
    done: { type: 'final' },
  },
})

const network = 'app-machine'
const listen = 'ws://127.0.0.1:0'
const key = GroupKey.random()
const first = await createNode({ network, listen })
const bootstrap = first.addresses
const nodes = [
  first,
  await createNode({ network, listen, bootstrap }),
  await createNode({ network, listen, bootstrap }),
]
const apps = nodes.map((node) => createActor(app, { input: { name: 'app', node, key } }).start())

const leads = (actor: ActorRefFrom<typeof app>) => waitFor(actor, (snapshot) => snapshot.matches({ member: 'leading' }))
const leader = await Promise.race(apps.map((actor) => leads(actor).then(() => actor)))
const executed = new Promise((resolve) => leader.getSnapshot().children.group?.on('group.executed', resolve))
for (const actor of apps) actor.send({ type: 'work' }) // only the leader has an ear for it
await executed

for (const actor of apps) actor.send({ type: 'quit' })
await Promise.all(nodes.map((node) => node.stop()))
console.log('stopped')
