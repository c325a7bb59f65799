/** Raft figure 3 under random schedules: loss, partition, crashes, slow disks, clocks that run apart. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RAFT } from '../../src/limits.ts'
import { Cluster } from './cluster.ts'
import { SafetyChecker } from './safety.ts'

const RUNS = 100
const NAMES = ['a', 'b', 'c', 'd', 'e']
const name = fc.constantFrom(...NAMES)

type Step = (cluster: Cluster, checker: SafetyChecker, at: number) => void

const named: fc.Arbitrary<{ label: string; run: Step }> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 40 }).map(deliver) },
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(20, 50, 500, 2_500), fc.subarray(NAMES)).map(tick) },
  { weight: 3, arbitrary: name.map(propose) },
  { weight: 2, arbitrary: name.map(read) },
  { weight: 3, arbitrary: fc.tuple(name, fc.integer({ min: 1, max: 4 })).map(flush) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }).map(calm) },
  { weight: 1, arbitrary: fc.nat({ max: 30 }).map(lose) },
  { weight: 1, arbitrary: fc.subarray(NAMES, { minLength: 1, maxLength: 4 }).map(partition) },
  { weight: 1, arbitrary: fc.constant({ label: 'heal', run: (cluster: Cluster) => cluster.healAll() }) },
  { weight: 1, arbitrary: name.map(crash) },
  { weight: 1, arbitrary: name.map(handOver) },
)

/** What changes the configuration, besides: members leave and come back, or are silent for too long. */
const moved: typeof named = fc.oneof(
  { weight: 20, arbitrary: named },
  { weight: 2, arbitrary: name.map(depart) },
  { weight: 1, arbitrary: fc.constant({ label: 'a long while', run: longWhile }) },
)

/** A counterexample prints as what was done. */
const printed = (one: { label: string; run: Step }) => ({ ...one, [fc.toStringMethod]: () => one.label })
const GROUPS = [
  {
    group: 'five voters',
    options: { voters: 5, votersMax: 5 },
    step: named.map(printed),
    changesMin: 0,
    installsMin: 0,
  },
  {
    group: 'three voters and two who may become such',
    options: { voters: 3, votersMax: 5 },
    step: moved.map(printed),
    changesMin: 1,
    installsMin: 0,
  },
  {
    group: 'members that compact their logs again and again',
    options: { voters: 3, votersMax: 5, compaction: { entriesMax: 3, trailingMax: 1 } },
    step: moved.map(printed),
    changesMin: 1,
    installsMin: 0.5,
  },
]

function deliver(count: number) {
  return {
    label: `deliver ${count}`,
    run: (cluster: Cluster) => {
      for (let left = count; left > 0 && cluster.deliverOne(); left--);
    },
  }
}
function tick([ms, names]: [number, string[]]) {
  return { label: `tick ${ms} on ${names}`, run: (cluster: Cluster) => cluster.tick(ms, names) }
}
function propose(to: string) {
  const run: Step = (cluster, _, at) => {
    if (cluster.get(to).alive) cluster.propose(to, `command ${at}`)
  }
  return { label: `propose on ${to}`, run }
}
function read(on: string) {
  const run: Step = (cluster, checker, at) => {
    if (cluster.get(on).alive) checker.read(cluster, on, at)
  }
  return { label: `read on ${on}`, run }
}
function flush([of, count]: [string, number]) {
  return { label: `flush ${count} of ${of}`, run: (cluster: Cluster) => cluster.flush(of, count) }
}
/** A while in which all goes well: disks answer, messages arrive, clocks tick together. */
function calm(rounds: number) {
  const run: Step = (cluster) => {
    for (let left = rounds; left > 0; left--) {
      for (const { name: one } of cluster.alive) cluster.flush(one)
      for (let some = 10; some > 0 && cluster.deliverOne(); some--);
      if (left % 5 === 0) cluster.tick()
    }
  }
  return { label: `calm ${rounds}`, run }
}
function lose(which: number) {
  const run: Step = (cluster) => {
    const busy = cluster.busy()
    if (busy.length > 0) cluster.deliver(busy[which % busy.length]!, true)
  }
  return { label: `lose ${which}`, run }
}
function partition(side: string[]) {
  const run: Step = (cluster) =>
    cluster.partition(
      side,
      NAMES.filter((one) => !side.includes(one)),
    )
  return { label: `partition ${side}`, run }
}
/** A member says goodbye and ends; the next departure of the same brings it back. */
function depart(who: string) {
  const run: Step = (cluster) => {
    if (cluster.get(who).alive) cluster.depart(who)
    else cluster.restart(who)
  }
  return { label: `depart or restart ${who}`, run }
}
/** Longer than a silent member is waited for, in which all goes well with those who are bonded. */
function longWhile(cluster: Cluster): void {
  for (let passed = 0; passed < RAFT.deadAfterMs + 5_000; passed += 490) {
    cluster.tick(490)
    do for (const { name: one } of cluster.alive) cluster.flush(one)
    while (cluster.deliverOne())
  }
}
/** A process dies, and what was not on its disk with it; the next crash of the same brings it back. */
function crash(who: string) {
  const run: Step = (cluster) => {
    if (cluster.get(who).alive) cluster.kill(who)
    else cluster.restart(who)
  }
  return { label: `crash or restart ${who}`, run }
}
function handOver(from: string) {
  const run: Step = (cluster) => {
    if (cluster.get(from).alive) cluster.get(from).actor.send({ type: 'raft.transferLeadership' })
  }
  return { label: `transfer from ${from}`, run }
}

describe.each(GROUPS)('Raft figure 3 with $group', ({ options, step, changesMin, installsMin }) => {
  it('holds after every step of any schedule, on disks that lag', () => {
    let committed = 0
    let changes = 0
    let installs = 0
    const schedule = fc.array(step, { minLength: 60, maxLength: 160, size: 'max' })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), schedule, (seed, steps) => {
        const cluster = new Cluster(NAMES, { seed, ...options })
        const checker = new SafetyChecker()
        cluster.electLeader()
        for (const node of cluster.alive) node.autoFlush = false
        steps.forEach(({ run }, at) => {
          run(cluster, checker, at)
          checker.check(cluster)
        })
        committed += checker.committed
        changes += checker.changes
        installs += cluster.installed
      }),
      { numRuns: RUNS },
    )
    // A run in which nothing is ever committed proves little.
    expect(committed).toBeGreaterThan(RUNS * 3)
    expect(changes).toBeGreaterThanOrEqual(RUNS * changesMin)
    expect(installs).toBeGreaterThanOrEqual(RUNS * installsMin)
  })

  it('is followed by progress once faults end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.array(step, { minLength: 30, maxLength: 60, size: 'max' }),
        (seed, steps) => {
          const cluster = new Cluster(NAMES, { seed, ...options })
          const checker = new SafetyChecker()
          cluster.electLeader()
          steps.forEach(({ run }, at) => {
            run(cluster, checker, at)
          })
          cluster.healAll()
          for (const { name: one, alive } of cluster.nodes.values()) if (!alive) cluster.restart(one)
          const leader = cluster.electLeader()
          cluster.until('the leader takes commands', () => leader.context.election.transfer === null)
          cluster.propose(leader.name, 'at last')
          cluster.until('all applied it', () => cluster.alive.every(({ commands }) => commands.at(-1) === 'at last'))
          checker.check(cluster)
        },
      ),
      { numRuns: 25 },
    )
  })
})
