/**
 * The arrows between the rooms run one way (docs/architecture.md): cli -> actors -> machines, actors -> transport -> identity,
 * machines -> types of identity only. And machines are pure: no Node, no clock, no chance, no promises.
 */
import { dirname, join, normalize } from 'node:path'

type Room = 'machines' | 'actors' | 'transport' | 'identity' | 'cli' | 'testing' | 'root'

/** Which rooms each room may import values from. Types may also come from the rooms named in TYPES. */
export const VALUES: Record<Room, readonly Room[]> = {
  identity: ['identity', 'root'],
  machines: ['machines', 'root'],
  transport: ['transport', 'identity', 'root'],
  actors: ['actors', 'machines', 'transport', 'identity', 'root'],
  testing: ['testing', 'actors', 'machines', 'transport', 'identity', 'root'],
  cli: ['cli', 'actors', 'machines', 'transport', 'identity', 'root'],
  root: ['root'],
}
/** `transport/codec.ts` must know the shape of the messages it carries, so transport may name types of machines. */
export const TYPES: Partial<Record<Room, readonly Room[]>> = { machines: ['identity'], transport: ['machines'] }

/** Packages that the pure core may use. */
const PURE_PACKAGES = ['xstate', '@xstate/store']
const IMPURE = [
  /\bDate\s*\.\s*now\b/,
  /\bnew Date\b/,
  /\bMath\s*\.\s*random\b/,
  /\bperformance\b/,
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask)\s*\(/,
  /\bnew Promise\b/,
  /\basync\s|\bawait\s/,
  /\bprocess\s*\./,
  /\bcrypto\s*\./,
]

interface Import {
  readonly from: string
  readonly typeOnly: boolean
}

function importsOf(source: string): Import[] {
  const pattern = /^(?:import|export)\s+(type\s)?[^'"]*?from\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm
  return [...source.matchAll(pattern)].map(([, type, from, dynamic]) => ({
    from: from ?? dynamic ?? '',
    typeOnly: type !== undefined,
  }))
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"])\/\/.*$/gm, '$1')
}

function roomOf(path: string): Room {
  const [room] = path.split('/')
  return path.includes('/') ? (room as Room) : 'root'
}

/** Every broken rule of one file, as `path: what is wrong`. */
export function violations(path: string, source: string): string[] {
  const room = roomOf(path)
  const found: string[] = []
  for (const { from, typeOnly } of importsOf(source)) {
    if (from.startsWith('.')) {
      const target = roomOf(normalize(join(dirname(path), from)))
      // index.ts is the public face: it may show every room but cli and testing.
      const open = path === 'index.ts' || VALUES[room].includes(target) || (typeOnly && TYPES[room]?.includes(target))
      if (!open) found.push(`${path}: imports ${from} of ${target}`)
    } else if (room === 'machines' && !PURE_PACKAGES.some((name) => from === name)) {
      found.push(`${path}: imports ${from}`)
    }
  }
  if (room === 'machines') {
    const code = withoutComments(source)
    for (const pattern of IMPURE) if (pattern.test(code)) found.push(`${path}: uses ${pattern.source}`)
  }
  return found
}
