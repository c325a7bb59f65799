/**
 * A store that is cut off at any moment, while it is opened, written or carried over: by a kill, or by a power cut, and again when it is
 * opened after that. It then holds what it had acknowledged, or some more of what it was given, and nothing else.
 *
 * A seed is all there is to a run: `npx vitest run --project slow test/storage/power-cut -t 'seed 3'`.
 */
import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { type Kept, nothingKept } from '../../src/actors/storage/kept.ts'
import { lmdb } from '../../src/actors/storage/lmdb.ts'
import { Changes } from '../../src/actors/storage/lmdb-changes.ts'
import type { Done, RaftStore } from '../../src/actors/storage/storage.ts'
import type { Snapshot } from '../../src/machines/raft/messages.ts'
import { Chance } from '../../src/testing/chance.ts'
import { Given, nextStep } from './given.ts'
import { afterKill, afterPowerCut, blankDisk, type Disk, filesOf, isSettled } from './medium.ts'
import { PoweredDisk } from './power.ts'
import { ALICE, Folders, GROUP, inShort, inShortOf, smallChunksOf } from './samples.ts'

// The files of one worker share their modules; those with mocks are for this one.
vi.hoisted(() => vi.resetModules())
afterAll(() => void vi.resetModules())
vi.mock('node:fs', async () => (await import('./power.ts')).nodeFs)
vi.mock('../../src/actors/storage/lmdb-environment.ts', async (original) => {
  const actual = await original<typeof import('../../src/actors/storage/lmdb-environment.ts')>()
  const { watched } = await import('./power.ts')
  return { ...actual, openEnvironment: (folder: string) => watched(actual.openEnvironment(folder), folder) }
})
// Full after some writes.
vi.mock('../../src/actors/storage/lmdb-journal-format.ts', async (original) => ({
  ...(await original<typeof import('../../src/actors/storage/lmdb-journal-format.ts')>()),
  JOURNAL_BYTES: 8 * 1024,
}))

/** The power is never cut in truth, so nothing need reach a disk. */
const folders = new Folders(existsSync('/dev/shm') ? '/dev/shm' : undefined)
afterEach(() => folders.remove())

/** What a crash left. */
interface Image {
  readonly disk: Disk
  /** What the store may be found as. */
  readonly may: readonly Kept[]
  /** How it came to this. */
  readonly story: readonly string[]
}

const nothing = (): Image => ({ disk: blankDisk(), may: [nothingKept()], story: [] })

const SEEDS = Array.from({ length: 12 }, (_, at) => at + 1)
/** How a store lives after no crash, one, and more: what it is given, and how likely it is cut off at any one moment. */
const LIVES = [
  { writes: 16, opened: 0.1, written: 0.4 },
  { writes: 1, opened: 0.5, written: 0.2 },
  { writes: 1, opened: 0.01, written: 0.01 },
] as const
const CRASHES = { kill: afterKill, 'power cut': afterPowerCut }

const seen = new Map<string, number>()
const see = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

/** A store from its opening until it has acknowledged all. Returns what it would have left, had it been cut off. */
async function live({ disk, may, story }: Image, chance: Chance): Promise<Image[]> {
  const left: Image[] = []
  const { writes, ...cut } = LIVES[Math.min(story.length, LIVES.length - 1)]!
  let given = new Given(may)
  let doing: 'opened' | 'written' = 'opened'
  const crash = (by: keyof typeof CRASHES, after: string): void => {
    const image = CRASHES[by](powered.model, chance)
    const begun = [...filesOf(image.top)].filter(([path, bytes]) => /journal\.\d+$/.test(path) && bytes[0] !== 0)
    if (begun.length > 1) see('two files of its journal with records')
    left.push({ disk: image, may: given.states, story: [...story, `a ${by} after ${after}`] })
    see(`a ${by} while it was ${doing}`)
  }
  const powered = new PoweredDisk(folders.make(), disk, chance, (change) => {
    // Where the medium has all, one crash leaves as much as another, but LMDB has just come to hold more.
    const matters = change === 'commit' || !isSettled(powered.model)
    if (matters && chance.flip(cut[doing])) crash(chance.oneOf(['kill', 'power cut']), change)
  })
  const store = lmdb(powered.path('data')).open(GROUP, ALICE)
  given = new Given([foundAs(may, store)])
  doing = 'written'
  await writeOn(store, given, writes, powered, chance)
  if (story.length === 1) crash('power cut', 'all was acknowledged')
  await store.close()
  expect(powered.strays()).toEqual([])
  return left
}

function foundAs(may: readonly Kept[], store: RaftStore): Kept {
  const found = may.find((each) => isDeepStrictEqual(inShortOf(each), inShort(store)))
  if (!found) expect(may.map(inShortOf)).toContainEqual(inShort(store))
  if (may.length > 1) see(found === may[0] ? 'what was under way was lost' : 'what was under way was there')
  return found!
}

const own = Changes.prototype.own

async function writeOn(
  store: RaftStore,
  given: Given,
  writes: number,
  powered: PoweredDisk,
  chance: Chance,
): Promise<void> {
  let saving: Snapshot | null = null
  let saved: Done
  // A snapshot that is saved counts once all its chunks are there, and only the store knows when that is.
  vi.spyOn(Changes.prototype, 'own').mockImplementation(function (this: Changes, snapshot) {
    saved = given.own(snapshot)
    return own.call(this, snapshot)
  })
  for (let at = 0; at < writes; at++) {
    const step = nextStep(given.last, saving, chance)
    if ('from' in step) store.write(step, given.write(step))
    else {
      saving = step
      store.save(step, smallChunksOf(step), (error) => {
        saving = null
        saved(error)
      })
    }
    while (chance.flip(0.7)) await powered.proceed()
  }
  do await powered.proceed()
  while (powered.isBusy)
  expect(given.error).toBeNull()
  expect(given.states).toEqual([given.last])
}

/** A store that is made, and all that crashes leave of it. */
async function run(seed: number): Promise<void> {
  const chance = new Chance(seed)
  const images = [nothing()]
  for (const image of images) {
    try {
      images.push(...(await live(image, chance)))
    } catch (cause) {
      throw new Error(`seed ${seed}, after ${image.story.join(', ') || 'no crash'}: ${cause}`, { cause })
    }
    folders.remove()
  }
}

describe('a store that is cut off at any moment', () => {
  it.each(SEEDS)('holds what it acknowledged, and nothing that it was not given (seed %i)', run)

  it.each([
    'a kill while it was opened',
    'a kill while it was written',
    'a power cut while it was opened',
    'a power cut while it was written',
    'two files of its journal with records',
    'what was under way was lost',
    'what was under way was there',
  ])('saw, over all of these: %s', (what) => {
    expect(seen.get(what)).toBeGreaterThan(20)
  })

  it('is the same again with the same seed', async () => {
    const stories = async () => (await live(nothing(), new Chance(1))).map(({ story }) => story)
    expect(await stories()).toEqual(await stories())
  })
})
