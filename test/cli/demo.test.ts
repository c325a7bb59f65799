import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Cluster } from '../../src/cli/cluster.ts'
import { demoVerbs } from '../../src/cli/demo.ts'
import { perform } from '../../src/cli/verbs.ts'
import { CLI } from '../../src/limits.ts'
import { FakeGroup, peerOf } from './fake-processes.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const SETTINGS = { nodes: 3, voters: 3, network: 'test', key: { secret: 'aa' }, data: '/data' }

function forked() {
  const group = new FakeGroup(2)
  const cluster = new Cluster(SETTINGS, group.fork)
  const notes: string[] = []
  const verbs = demoVerbs(cluster, SETTINGS.nodes, (note) => notes.push(note))
  return { group, cluster, notes, run: (line: string) => perform(verbs, line) }
}

async function formed() {
  const demo = forked()
  await demo.cluster.form()
  return demo
}

/** What `promise` comes to, when as much time as it needs goes by. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  const settled = promise.then(
    () => undefined,
    () => undefined,
  )
  await vi.advanceTimersByTimeAsync(CLI.formTimeoutMs + CLI.agreeTimeoutMs)
  await settled
  return await promise
}

describe('forming', () => {
  it('opens the first node alone, and gives its real address to the others', async () => {
    const { group } = await formed()
    expect(group.all.map(({ opened }) => opened?.bootstrap)).toEqual([
      [],
      ['ws://127.0.0.1:7001'],
      ['ws://127.0.0.1:7001'],
    ])
    expect(new Set(group.all.map(({ opened }) => opened?.listen))).toEqual(new Set(['ws://127.0.0.1:0']))
    expect(new Set(group.all.map(({ opened }) => opened?.key))).toEqual(new Set([SETTINGS.key]))
  })

  it('waits until all nodes follow one leader', async () => {
    const { group, cluster } = forked()
    group.electing = true
    let done = false
    const forming = cluster.form().then(() => {
      done = true
    })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(done).toBe(false)
    group.electing = false
    await inTime(forming)
    expect(done).toBe(true)
  })

  it('fails with NotAgreed where they never do', async () => {
    const { group, cluster } = forked()
    group.electing = true
    await expect(inTime(cluster.form())).rejects.toMatchObject({ code: 'NotAgreed' })
  })

  it('fails with NodeDied where a process ends', async () => {
    const { group, cluster } = forked()
    group.electing = true
    const forming = expect(cluster.form()).rejects.toMatchObject({ code: 'NodeDied' })
    await vi.advanceTimersByTimeAsync(100)
    group.all[2]?.die()
    await vi.advanceTimersByTimeAsync(100)
    await forming
  })
})

describe('commands', () => {
  it('set, get and delete go to the live nodes in turn, each to one of them', async () => {
    const { group, run } = await formed()
    expect(await run('set a 1')).toBe('ok 2')
    expect(await run('get a')).toBe('1')
    expect(await run('delete a')).toBe('ok 3')
    expect(await run('get a')).toBe('(nil)')
    expect(group.all.map(({ calls }) => calls)).toEqual([['set a', 'get a'], ['get a'], ['delete a']])
  })

  it('peek asks the node it names', async () => {
    const { group, run } = await formed()
    await run('set a 1')
    expect(await run('peek 3 a')).toBe('1')
    expect(group.all[2]?.calls).toEqual(['peek a'])
  })

  it('kill ends the process at once, and the others go on', async () => {
    const { group, run } = await formed()
    expect(await run('kill 2')).toBe('killed 2')
    expect(group.ended.has(2)).toBe(true)
    expect(await run('set a 1')).toBe('ok 2')
    expect((await run('status')).split('\n')[2]).toMatch(/^2 +- +- +dead/)
  })

  it('kill leader names the node it killed, and waits for a leader where none is', async () => {
    const { group, run } = await formed()
    expect(await run('kill leader')).toBe('killed 1')
    group.electing = true
    const killing = run('kill leader')
    await vi.advanceTimersByTimeAsync(500)
    group.electing = false
    expect(await inTime(killing)).toBe('killed 2')
  })

  it('set fails with the member’s own error when most are dead', async () => {
    const { run } = await formed()
    await run('kill 1')
    await run('kill 2')
    await expect(run('set a 1')).rejects.toMatchObject({ code: 'DeadlineExceeded', retryable: true })
    await expect(inTime(run('kill leader'))).rejects.toMatchObject({ code: 'NoLeader' })
    await expect(inTime(run('wait'))).rejects.toMatchObject({ code: 'NotAgreed' })
  })

  it('start forks a new process that dials the live ones, and says what it comes back with', async () => {
    const { group, notes, run } = await formed()
    await run('kill 1')
    expect(await inTime(run('start 1'))).toBe('started 1')
    expect(group.all[3]?.opened?.bootstrap).toEqual(['ws://127.0.0.1:7002', 'ws://127.0.0.1:7003'])
    expect(notes).toEqual([expect.stringContaining('comes back as the member it was')])
    expect(await run('status')).toContain(peerOf(4).slice(0, 10))
  })

  it('start is done also where no quorum is left to admit the node', async () => {
    const { run } = await formed()
    await run('kill 1')
    await run('kill 2')
    await run('kill 3')
    expect(await run('start 3')).toBe('started 3')
  })

  it('leave asks the member to leave, then ends its process', async () => {
    const { group, run } = await formed()
    expect(await run('leave 2')).toBe('left 2')
    expect(group.all[1]?.calls).toEqual(['leave'])
    expect(group.ended.has(2)).toBe(true)
    expect((await run('status')).split('\n')[2]).toMatch(/^2 +- +- +left/)
  })

  it('wait prints the index all live nodes have applied', async () => {
    const { run } = await formed()
    await run('set a 1')
    expect(await run('wait')).toBe('agreed 2')
  })

  it.each([
    ['peek 4 a', 'InvalidArgument'],
    ['peek 0 a', 'InvalidArgument'],
    ['peek x a', 'InvalidArgument'],
    ['kill follower', 'InvalidArgument'],
    ['kill -1', 'InvalidArgument'],
    ['start leader', 'InvalidArgument'],
    ['start 1', 'NodeRunning'],
  ])('%j is refused as %s', async (line, code) => {
    const { run } = await formed()
    await expect(run(line)).rejects.toMatchObject({ code })
  })

  it.each(['kill 2', 'leave 2', 'peek 2 a'])('%j is refused as NodeNotRunning once node 2 is dead', async (line) => {
    const { run } = await formed()
    await run('kill 2')
    await expect(run(line)).rejects.toMatchObject({ code: 'NodeNotRunning' })
  })

  it('set is refused as NodeNotRunning when all are dead', async () => {
    const { run } = await formed()
    for (const node of [1, 2, 3]) await run(`kill ${node}`)
    await expect(run('set a 1')).rejects.toMatchObject({ code: 'NodeNotRunning' })
  })
})

describe('the end', () => {
  it('leaves no process, and kills one that does not end when asked to', async () => {
    const { group, cluster } = await formed()
    const [, second] = group.all
    if (second) second.stubborn = true
    const ended = cluster.end()
    await vi.advanceTimersByTimeAsync(CLI.endTimeoutMs - 1)
    expect([...group.ended]).toEqual([1, 3])
    await vi.advanceTimersByTimeAsync(1)
    await ended
    expect([...group.ended].sort()).toEqual([1, 2, 3])
  })
})
