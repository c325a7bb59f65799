/**
 * Stores and the death of processes: what was acknowledged is there after SIGKILL at any point, the lease dies with its holder, and
 * a disk that takes no more is said so. The writers are real processes and run what was built (`npm run build`).
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { lmdb } from '../../src/actors/storage/lmdb.ts'
import type { Persisted } from '../../src/actors/storage/storage.ts'
import type { Persist } from '../../src/machines/raft/effects.ts'
import {
  ALICE,
  after,
  BOB,
  command,
  digested,
  Folders,
  GROUP,
  hardState,
  persist,
  written,
} from '../storage/samples.ts'

const WRITER = fileURLToPath(new URL('../storage/writer.mjs', import.meta.url))
const folders = new Folders()
const running: Writer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((writer) => writer.kill()))
  folders.remove()
})

class Writer {
  readonly lines: string[] = []
  readonly ended: Promise<number | null>
  readonly #child: ChildProcessByStdio<null, Readable, null>
  #heard = () => {}

  constructor(root: string, file: string | null, shell = '') {
    const args = [process.execPath, WRITER, root, GROUP, ALICE, ...(file === null ? [] : [file])]
    this.#child = spawn('/bin/sh', ['-c', `${shell} exec "$@"`, 'sh', ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
    createInterface(this.#child.stdout).on('line', (line) => {
      this.lines.push(line)
      this.#heard()
    })
    this.ended = new Promise((resolve) => this.#child.on('close', resolve))
    running.push(this)
  }

  /** Resolves once `enough` holds of the lines, or the process has ended. */
  async until(enough: (lines: readonly string[]) => boolean): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      this.#heard = () => enough(this.lines) && resolve()
      this.#heard()
    })
    await Promise.race([heard, this.ended])
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended
  }

  /** The highest number told with `word`; writes are issued and answered in order. */
  last(word: string): number {
    return Math.max(
      0,
      ...this.lines.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.split(' ')[1])),
    )
  }
}

/** Bursts of writes on top of `start`: entries, truncations, hard states, now and then a large entry. */
const burstsOf = (start: Persisted | null) =>
  fc
    .array(
      fc.array(
        fc.record({
          back: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(8) }),
          sizes: fc.array(fc.oneof({ weight: 9, arbitrary: fc.nat(200) }, { weight: 1, arbitrary: fc.nat(200_000) }), {
            maxLength: 8,
          }),
          hard: fc.boolean(),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      { minLength: 40, maxLength: 40 },
    )
    .map((bursts) => {
      let length = start?.entries.length ?? 0
      let term: number = start?.entries.at(-1)?.term ?? 1
      let number = 0
      return bursts.map((burst) =>
        burst.map(({ back, sizes, hard }) => {
          const from = Math.max(1, length + 1 - back)
          length = from - 1 + sizes.length
          term++
          const entries = sizes.map((size, i) => command(term, i, size))
          return persist(++number, from, entries, hard ? hardState(term, BOB) : null)
        }),
      )
    })

function fileOf(folder: string, bursts: readonly (readonly Persist[])[]): string {
  const file = join(folder, 'writes.json')
  const base64 = (_: string, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value
  writeFileSync(file, JSON.stringify({ bursts }, base64))
  return file
}

/** How many of `writes` lie between `before` and `found`; -1 where no number of them leads there. */
function writesUpTo(
  found: Persisted | null,
  before: Persisted | null,
  writes: readonly Persist[],
  least: number,
): number {
  const wanted = JSON.stringify(digested(found))
  let state = before
  for (let count = 0; count <= writes.length; count++) {
    if (count >= least && JSON.stringify(digested(state)) === wanted) return count
    if (count < writes.length) state = after(state, writes[count]!)
  }
  return -1
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

async function reopened(root: string): Promise<Persisted | null> {
  const store = lmdb(root).open(GROUP, ALICE)
  await store.close()
  return store.persisted
}

describe('a process that is killed', () => {
  it('leaves every acknowledged write, and a whole prefix of those it had issued', async () => {
    const seed = 20_261_123
    const root = folders.make()
    let held: Persisted | null = null
    const seen = { acknowledged: 0, killedMidway: 0 }
    for (const [round, stop] of fc.sample(fc.nat(150), { seed, numRuns: 12 }).entries()) {
      const bursts = fc.sample(burstsOf(held), { seed: seed + round, numRuns: 1 })[0]!
      const writes = bursts.flat()
      const writer = new Writer(root, fileOf(folders.make(), bursts))
      await writer.until((lines) => lines.filter((line) => line.startsWith('acked')).length >= stop)
      await writer.kill()
      const found = await reopened(root)
      const count = writesUpTo(found, held, writes, writer.last('acked'))
      const what = `seed ${seed}, round ${round}: acked ${writer.last('acked')}, issued ${writer.last('issued')}`
      expect(count, what).toBeGreaterThanOrEqual(writer.last('acked'))
      expect(count, what).toBeLessThanOrEqual(writer.last('issued'))
      seen.acknowledged += writer.last('acked')
      if (!writer.lines.includes('end')) seen.killedMidway++
      held = found
    }
    expect(seen.acknowledged).toBeGreaterThan(300)
    expect(seen.killedMidway).toBeGreaterThan(6)
  }, 60_000)

  it.each([
    'lease',
    'lease/data.mdb',
    'log.new',
    'log.new/data.mdb',
    'log',
    'journal.1.new',
    'journal.1',
    'header.new',
    'header',
  ])('leaves a store that opens, killed while it is made, when %s appears', async (name) => {
    const root = folders.make()
    const writer = new Writer(root, null)
    const appearing = join(root, GROUP, ALICE, name)
    // A name may be gone again before it is seen; then the store is made, and the writer says so.
    while (!existsSync(appearing) && writer.lines.length === 0) await new Promise(setImmediate)
    await writer.kill()
    const store = lmdb(root).open(GROUP, ALICE)
    expect(store.persisted).toBeNull()
    expect(await written(store, persist(1, 1, [command(1, 1)]))).toBeNull()
    await store.close()
    expect((await reopened(root))?.entries).toEqual([command(1, 1)])
  })
})

describe('a store that another process holds', () => {
  it('is refused with the holder named, also while that one is stopped, and free once it is killed', async () => {
    const root = folders.make()
    const holder = new Writer(root, null)
    await holder.until((lines) => lines.includes('open'))
    expect(() => lmdb(root).open(GROUP, ALICE)).toThrow(/Process \d+ has this store open; close it there first/)
    holder.signal('SIGSTOP')
    expect(() => lmdb(root).open(GROUP, ALICE)).toThrow(/Process \d+ has this store open/)
    await lmdb(root).open(GROUP, BOB).close()
    await holder.kill()
    expect(await reopened(root)).toBeNull()
  })

  it('is refused also after the holder’s garbage was collected', async () => {
    const root = folders.make()
    const store = lmdb(root).open(GROUP, ALICE)
    // A reader of LMDB is let go of at the end of a turn, and collected some time after: neither may end the lease.
    await written(store, persist(1, 1, [command(1, 1)]))
    collectGarbage()
    await reopened(folders.make())
    collectGarbage()
    const other = new Writer(root, null)
    await other.until((lines) => lines.length > 0)
    expect(other.lines[0]).toMatch(new RegExp(`^refused .*Process ${process.pid} has this store open`))
    await store.close()
  })

  it('goes to exactly one of several that open it at once', async () => {
    const root = folders.make()
    const writers = Array.from({ length: 4 }, () => new Writer(root, null))
    await Promise.all(writers.map((writer) => writer.until((lines) => lines.length > 0)))
    const first = writers.map(({ lines }) => lines[0]!.split(' ')[0])
    expect(first.sort()).toEqual(['open', 'refused', 'refused', 'refused'])
  })

  it('is refused to a second opener in the same process, which does not take the lease from the first', async () => {
    const root = folders.make()
    const store = lmdb(root).open(GROUP, ALICE)
    expect(() => lmdb(root).open(GROUP, ALICE)).toThrow(/This process has this store open/)
    const other = new Writer(root, null)
    await other.until((lines) => lines.length > 0)
    expect(other.lines[0]).toMatch(new RegExp(`^refused .*Process ${process.pid} has this store open`))
    await store.close()
    expect(await reopened(root)).toBeNull()
  })
})

describe('a process', () => {
  it('ends by itself with a store open: nothing in it keeps a process alive', async () => {
    const writer = new Writer(folders.make(), fileOf(folders.make(), [[persist(1, 1, [command(1, 1)])]]))
    expect(await writer.ended).toBe(0)
    expect(writer.lines).toEqual(['open', 'issued 1', 'acked 1', 'end'])
  })

  it('that may write no more is told so, keeps what was acknowledged and writes nothing after', async () => {
    const root = folders.make()
    const writes = Array.from({ length: 150 }, (_, i) => persist(i + 1, i + 1, [command(1, i, 100_000)]))
    // A limit on the size of files fails a write as a full disk does; Node ignores the signal that comes with it. The journal has
    // room within it, and what is carried over to LMDB has not.
    const writer = new Writer(
      root,
      fileOf(
        folders.make(),
        writes.map((write) => [write]),
      ),
      'ulimit -f 12000;',
    )
    expect(await writer.ended).toBe(0)
    const acked = writer.last('acked')
    const failed = writer.lines.filter((line) => line.startsWith('failed'))
    expect(acked).toBeGreaterThan(5)
    expect(failed).toHaveLength(150 - acked)
    expect(failed[0]).toMatch(/did not reach the disk/)
    expect(new Set(failed.map((line) => line.replace(/\d+/, ''))).size).toBe(1)
    expect(writesUpTo(await reopened(root), null, writes, acked)).toBe(acked)
  })
})
