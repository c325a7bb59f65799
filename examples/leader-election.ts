/**
 * Leader election and a counter that survives its leader: three nodes in one process, each of which would be a process of its own, with the
 * key made of a passphrase they share.
 *
 *   npx tsc -p tsconfig.tools.json && node build/examples/leader-election.js
 */
import { createNode, GroupKey } from '../src/index.ts' // in a project of yours: from 'tessera'
import { counter } from './counter.ts'

const network = 'leader-election'
const listen = 'ws://127.0.0.1:0'
const key = GroupKey.random()

const first = await createNode({ network, listen })
const bootstrap = first.addresses
const nodes = [
  first,
  await createNode({ network, listen, bootstrap }),
  await createNode({ network, listen, bootstrap }),
]
const members = nodes.map((node) => ({ node, group: node.join({ key, machine: counter(), voters: 3 }) }))

await Promise.all(members.map(({ group }) => group.when.online()))
const leader = members.find(({ group }) => group.isLeader)
if (!leader) throw new Error('No member leads.')
console.log('one leads, two follow')

// Any member takes commands, whoever leads, and each call gets the result of its own command.
for (const { group } of members) console.log(`total ${(await group.execute({ by: 1 })).result}`)

// The leader goes. The others elect another of them, and nothing is lost.
const others = members.filter((member) => member !== leader)
const elected = Promise.race(others.map(({ group }) => group.when.isLeader()))
await leader.node.stop()
await elected
console.log('another leads')
for (const { group } of others) console.log(`total ${(await group.query('total')).answer}`)

await Promise.all(nodes.map((node) => node.stop()))
console.log('stopped')
