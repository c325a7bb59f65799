/**
 * `commit`: commands through a group of three processes. Each round measures every subject once, by turns, with the same number in flight:
 * tessera from the leader's process and from a follower's, the floor, and with `--peers` etcd and NATS. Rows are medians of the rounds.
 */

import { bareRoundTrip } from './bare.ts'
import { closedLoop, type Load } from './load.ts'
import type { BenchOptions } from './options.ts'
import { openPeers, type Peer } from './peers.ts'
import type { Measured, Ratio, Row } from './report.ts'
import { grouped, median, rounded } from './statistics.ts'
import { type MemberProcess, Trio } from './trio.ts'

const IN_FLIGHT = [1, 64, 1_000] as const
/** Until the compilers have seen everything; a share of a round. */
const WARM_UP = 0.5

type Storage = 'memory' | 'durable'
type Subject = 'tessera' | 'floor' | 'etcd' | 'nats' | 'nats-bare' | 'ws'
type From = 'leader' | 'follower' | 'client'

interface Measurement extends Load {
  readonly subject: Subject
  readonly storage: Storage
  readonly from: From
  readonly inFlight: number
}

interface Contender {
  readonly subject: Subject
  readonly from: From
  readonly run: (inFlight: number, seconds: number) => Promise<Load>
}

export async function commit(options: BenchOptions): Promise<Measured> {
  const rounds: Measurement[] = []
  const versions: Record<string, string> = {}
  for (const storage of ['memory', 'durable'] as const) {
    const peers = options.peers ? await openPeers(storage, options.tell) : []
    try {
      rounds.push(...(await measure(storage, peers, options)))
      for (const peer of peers) versions[peer.subject] = peer.version
    } finally {
      await Promise.all(peers.map((peer) => peer.close()))
    }
  }
  const rows = rowsOf(rounds)
  return {
    rows: rows.filter(({ subject }) => subject !== 'ws').map(asRow),
    ratios: ratiosOf(rows),
    rounds: rounds.map(asRow),
    versions,
  }
}

async function measure(
  storage: Storage,
  peers: readonly Peer[],
  { seconds, rounds, tell }: BenchOptions,
): Promise<Measurement[]> {
  const trio = await Trio.open(storage === 'durable')
  const all: Measurement[] = []
  try {
    const leader = await trio.leader()
    if (!leader) throw new Error('The group lost its leader.')
    await trio.openFloor(leader, storage === 'durable')
    for (const inFlight of IN_FLIGHT) {
      const contenders = [...ownContenders(trio, leader), ...peers.map(asContender)]
      if (inFlight === 1 && storage === 'memory') contenders.push({ subject: 'ws', from: 'client', run: bareRoundTrip })
      for (const { run } of contenders) await run(inFlight, seconds * WARM_UP)
      for (let round = 0; round < rounds; round++) {
        for (const { subject, from, run } of contenders) {
          const load = await run(inFlight, seconds)
          tell(`${storage} ${subject} ${from} ${inFlight}: ${load.perSecond}/s, p50 ${load.p50Ms} ms`)
          all.push({ subject, storage, from, inFlight, ...load })
        }
      }
    }
  } finally {
    await trio.close()
  }
  return all
}

function ownContenders(trio: Trio, floorLeader: MemberProcess): Contender[] {
  const from = async (wanted: 'leader' | 'follower') => {
    const leader = await trio.leader()
    const member = wanted === 'leader' ? leader : trio.members.find((one) => one !== leader)
    if (!leader || !member) throw new Error('The group lost its leader.')
    return member
  }
  const subject = 'tessera'
  return [
    {
      subject,
      from: 'leader',
      run: async (inFlight, seconds) => (await from('leader')).call('load', { subject, inFlight, seconds }),
    },
    {
      subject: 'floor',
      from: 'leader',
      run: (inFlight, seconds) => floorLeader.call('load', { subject: 'floor', inFlight, seconds }),
    },
    {
      subject,
      from: 'follower',
      run: async (inFlight, seconds) => (await from('follower')).call('load', { subject, inFlight, seconds }),
    },
  ]
}

function asContender({ subject, execute }: Peer): Contender {
  return { subject, from: 'client', run: (inFlight, seconds) => closedLoop(execute, inFlight, seconds) }
}

function rowsOf(all: readonly Measurement[]): Measurement[] {
  return grouped(all, ({ subject, storage, from, inFlight }) => `${inFlight} ${storage} ${subject} ${from}`).map(
    (cell) => {
      const { subject, storage, from, inFlight } = cell[0]!
      return {
        subject,
        storage,
        from,
        inFlight,
        perSecond: rounded(median(cell.map((one) => one.perSecond))),
        p50Ms: rounded(median(cell.map((one) => one.p50Ms))),
        p99Ms: rounded(median(cell.map((one) => one.p99Ms))),
      }
    },
  )
}

const asRow = ({ subject, storage, from, inFlight, perSecond, p50Ms, p99Ms }: Measurement): Row => {
  return { subject, storage, from, inFlight, perSecond, p50Ms, p99Ms }
}

function ratiosOf(rows: readonly Measurement[]): Ratio[] {
  const find = (subject: Subject, storage: Storage, inFlight: number, from?: From) =>
    rows.find(
      (row) =>
        row.subject === subject && row.storage === storage && row.inFlight === inFlight && (!from || row.from === from),
    )
  const ratios: Ratio[] = []
  const rates = (
    name: string,
    storage: Storage,
    over: Measurement | undefined,
    target: number | null,
    from: From = 'leader',
  ) => {
    const own = find('tessera', storage, 1_000, from)
    if (own && over)
      ratios.push({
        name: `${name}, ${storage}, 1000 in flight`,
        value: own.perSecond / over.perSecond,
        target,
        wanted: 'at least',
      })
  }
  const latency = (name: string, storage: Storage, over: Measurement | undefined, target: number | null) => {
    const own = find('tessera', storage, 1, 'leader')
    if (own && over)
      ratios.push({
        name: `${name}, ${storage}, 1 in flight, p50`,
        value: own.p50Ms / over.p50Ms,
        target,
        wanted: 'at most',
      })
  }
  for (const storage of ['memory', 'durable'] as const) {
    rates('leader / floor', storage, find('floor', storage, 1_000), 0.6)
    rates('leader / NATS', storage, find('nats', storage, 1_000), 5)
    rates('leader / NATS by a bare client', storage, find('nats-bare', storage, 1_000), null)
    rates('leader / etcd', storage, find('etcd', storage, 1_000), 20)
    rates('follower / leader', storage, find('tessera', storage, 1_000, 'leader'), 0.5, 'follower')
  }
  latency('leader / ws round trip', 'memory', find('ws', 'memory', 1), 2.5)
  latency('leader / NATS', 'memory', find('nats', 'memory', 1), 1)
  latency('leader / NATS by a bare client', 'memory', find('nats-bare', 'memory', 1), null)
  latency('leader / etcd', 'durable', find('etcd', 'durable', 1), 0.7)
  return ratios
}
