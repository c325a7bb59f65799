/**
 * The bytes of one message of each type. They change only with the protocol: a difference here means that members of the
 * version before would no longer understand this one.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  decodeBond,
  decodeDiscovery,
  decodeEntry,
  decodeHandshake,
  encodeBond,
  encodeDiscovery,
  encodeEntry,
  encodeHandshake,
  encodeRaftBatch,
} from '../../src/transport/codec.ts'
import { BOND, DISCOVERY, ENTRIES, HANDSHAKE, RAFT } from './codec-samples.ts'

const golden = JSON.parse(readFileSync(new URL('codec-golden.json', import.meta.url), 'utf8')) as Record<string, string>

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const samples: (readonly [
  name: string,
  encoded: () => Uint8Array,
  decoded: (bytes: Uint8Array) => unknown,
  unknown,
])[] = [
  ...HANDSHAKE.map((m) => [m.type, () => encodeHandshake(m), decodeHandshake, m] as const),
  ...BOND.map((m) => [m.type, () => encodeBond(m), decodeBond, m] as const),
  ...DISCOVERY.map((m) => [m.type, () => encodeDiscovery(m), decodeDiscovery, m] as const),
  ...ENTRIES.map((entry) => [`entry ${entry.kind}`, () => encodeEntry(entry), decodeEntry, entry] as const),
  ...RAFT.map((m) => {
    const batch = { type: 'Raft', messages: [m] }
    return [m.type, () => encodeRaftBatch([m]), decodeBond, batch] as const
  }),
]

test.each(samples)('%s', (name, encoded, decode, sample) => {
  expect(hex(encoded())).toBe(golden[name])
  expect(decode(Uint8Array.from(Buffer.from(golden[name]!, 'hex')))).toEqual(sample)
})

test('each vector belongs to a message', () => {
  expect(Object.keys(golden)).toEqual(samples.map(([name]) => name))
})
