/**
 * Which schema validator checks what arrives: typebox, valibot, zod or arktype. Each gets the same two wire messages, an
 * AppendEntries of 100 commands and a Ping, as the arrays they are decoded to, and must refuse the same damaged ones. Figures
 * and decision: docs/adr/0002-schema-validator.md.
 * Part of `npm run bench -- machine`.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { type Figure, figure } from './figure.ts'

type Check = (value: unknown) => boolean
interface Checks {
  readonly append: Check
  readonly ping: Check
}
interface Candidate {
  readonly name: string
  /** What installing it brings, as folders of node_modules. */
  readonly packages: readonly string[]
  /** Imports the library; what it returns builds and compiles both schemas. */
  readonly load: () => Promise<() => Checks>
}

const COMMAND_BYTES_MAX = 1024 * 1024
const ENTRIES_MAX = 4_096
const isCommand = (value: { readonly length: number }) => value.length <= COMMAND_BYTES_MAX
const NONCE = /^[ -~]{0,64}$/

const typebox: Candidate = {
  name: 'typebox',
  packages: ['typebox'],
  load: async () => {
    const { default: Type } = await import('typebox')
    const { Compile } = await import('typebox/compile')
    return () => {
      const uint = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
      const bytes = Type.Refine(Type.Unsafe<Uint8Array>({}), (value) => value instanceof Uint8Array && isCommand(value))
      const command = Type.Tuple([Type.Literal(3), uint, uint, uint, uint, uint, bytes])
      const noop = Type.Tuple([Type.Literal(0), uint, uint])
      const session = Type.Tuple([Type.Literal(2), uint, uint, Type.String({ pattern: NONCE })])
      const entries = Type.Array(Type.Union([command, noop, session]), { maxItems: ENTRIES_MAX })
      const append = Compile(Type.Tuple([Type.Literal(36), uint, uint, uint, uint, uint, entries]))
      const ping = Compile(Type.Tuple([Type.Literal(4), uint]))
      return { append: (value) => append.Check(value), ping: (value) => ping.Check(value) }
    }
  },
}

const valibot: Candidate = {
  name: 'valibot',
  packages: ['valibot'],
  load: async () => {
    const v = await import('valibot')
    return () => {
      const uint = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
      const bytes = v.pipe(
        v.instance(Uint8Array),
        v.check((value) => isCommand(value)),
      )
      const command = v.strictTuple([v.literal(3), uint, uint, uint, uint, uint, bytes])
      const noop = v.strictTuple([v.literal(0), uint, uint])
      const session = v.strictTuple([v.literal(2), uint, uint, v.pipe(v.string(), v.regex(NONCE))])
      const entries = v.pipe(v.array(v.union([command, noop, session])), v.maxLength(ENTRIES_MAX))
      const append = v.strictTuple([v.literal(36), uint, uint, uint, uint, uint, entries])
      const ping = v.strictTuple([v.literal(4), uint])
      return { append: (value) => v.is(append, value), ping: (value) => v.is(ping, value) }
    }
  },
}

const zod: Candidate = {
  name: 'zod',
  packages: ['zod'],
  load: async () => {
    const { z } = await import('zod')
    return () => {
      const uint = z.int().min(0)
      const bytes = z.instanceof(Uint8Array).refine(isCommand)
      const command = z.tuple([z.literal(3), uint, uint, uint, uint, uint, bytes])
      const noop = z.tuple([z.literal(0), uint, uint])
      const session = z.tuple([z.literal(2), uint, uint, z.string().regex(NONCE)])
      const entries = z.array(z.union([command, noop, session])).max(ENTRIES_MAX)
      const append = z.tuple([z.literal(36), uint, uint, uint, uint, uint, entries])
      const ping = z.tuple([z.literal(4), uint])
      return { append: (value) => append.safeParse(value).success, ping: (value) => ping.safeParse(value).success }
    }
  },
}

const arktype: Candidate = {
  name: 'arktype',
  packages: ['arktype', '@ark/schema', '@ark/util', 'arkregex'],
  load: async () => {
    const { type } = await import('arktype')
    return () => {
      const uint = type('0 <= number.integer <= 9007199254740991')
      const bytes = type.instanceOf(Uint8Array).narrow(isCommand)
      const command = type(['3', uint, uint, uint, uint, uint, bytes])
      const noop = type(['0', uint, uint])
      const session = type(['2', uint, uint, NONCE])
      const entries = command.or(noop).or(session).array().atMostLength(ENTRIES_MAX)
      const append = type(['36', uint, uint, uint, uint, uint, entries])
      const ping = type(['4', uint])
      return { append: (value) => append.allows(value), ping: (value) => ping.allows(value) }
    }
  },
}

const ping = [4, 1_700_000_000_000]
const append = (last: unknown) => {
  const commands = Array.from({ length: 99 }, (_, i) => [3, 7, 1_700_000_000_000, 12, i, i, new Uint8Array(64)])
  return [36, 7, 100, 7, 99, 5, [...commands, last]]
}
const good = append([3, 7, 1_700_000_000_000, 12, 99, 98, new Uint8Array(64)])
const bad: readonly unknown[] = [
  append([3, 7, 1_700_000_000_000, 12, 99, 98, 'text']),
  append([3, 7, 1_700_000_000_000, 12, 99, -1, new Uint8Array(64)]),
  append([3, 7, 2 ** 53, 12, 99, 98, new Uint8Array(64)]),
  append([3, 7, 1.5, 12, 99, 98, new Uint8Array(64)]),
  append([3, 7, 1, 12, 99, 98, new Uint8Array(COMMAND_BYTES_MAX + 1)]),
  append([3, 7, 1, 12, 99, 98]),
  append([3, 7, 1, 12, 99, 98, new Uint8Array(64), 0]),
  append([9, 7, 1]),
  [...good, 0],
  null,
]

/** A comparison counts only if all do the same work. */
function assertSame(name: string, checks: Checks): void {
  if (!checks.append(good) || !checks.ping(ping)) throw new Error(`${name} refuses a good message`)
  const accepted = bad.findIndex((value) => checks.append(value))
  if (accepted >= 0) throw new Error(`${name} accepts bad message ${accepted}`)
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true }).reduce((sum, item) => {
    const path = join(folder, item.name)
    return sum + (item.isDirectory() ? bytesOf(path) : statSync(path).size)
  }, 0)
}

async function measure({ name, packages, load }: Candidate): Promise<Figure[]> {
  const start = performance.now()
  const build = await load()
  const loaded = performance.now()
  const checks = build()
  // Some compile at their first use, so the first use counts as compiling.
  checks.append(good)
  checks.ping(ping)
  const compiled = performance.now()
  assertSame(name, checks)
  return [
    { what: `${name}: import`, nanoseconds: Math.round((loaded - start) * 1e6) },
    { what: `${name}: compile`, nanoseconds: Math.round((compiled - loaded) * 1e6) },
    figure(`${name}: check a Ping`, () => void checks.ping(ping), 200_000),
    figure(`${name}: check an AppendEntries of 100`, () => void checks.append(good), 2_000),
    { what: `${name}: installed`, bytes: packages.reduce((sum, one) => sum + bytesOf(join('node_modules', one)), 0) },
  ]
}

export async function validatorFigures(): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const candidate of [typebox, valibot, zod, arktype]) figures.push(...(await measure(candidate)))
  return figures
}
