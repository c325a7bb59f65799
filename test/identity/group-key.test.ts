import { inspect } from 'node:util'
import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { crypto } from '../../src/identity/crypto.ts'
import { bytesOf, digest } from '../../src/identity/digest.ts'
import { type GroupSettings, groupId } from '../../src/identity/group-id.ts'
import { GroupKey } from '../../src/identity/group-key.ts'
import { Identity } from '../../src/identity/keys.ts'
import { RAFT_TIMING } from '../../src/limits.ts'

const SECRET_HEX = `a1${'5c'.repeat(30)}2b`
const SECRET = hexToBytes(SECRET_HEX)
const invalidKey = expect.objectContaining({ code: 'InvalidKey' })

describe('a group key', () => {
  it('is made from 32 bytes, copied', () => {
    const given = SECRET.slice()
    const key = GroupKey.fromSecret(given)
    given.fill(0)
    expect(key.fingerprint()).toBe(digest(SECRET))
    expect(() => GroupKey.fromSecret(new Uint8Array(31))).toThrow(invalidKey)
    expect(() => GroupKey.fromSecret(new Uint8Array(33))).toThrow(invalidKey)
  })

  it('is random: another each time', () => {
    expect(GroupKey.random().fingerprint()).not.toBe(GroupKey.random().fingerprint())
  })

  it('is the same for the same words on every member, and does not change between releases', () => {
    const key = GroupKey.fromPassphrase('correct horse')
    expect(key.fingerprint()).toBe('a970b29561599f861715a0f33a25d0cf7fcda30a5f4d267c09fb2cb39d15bd18')
    expect(GroupKey.fromPassphrase('correct horsf').fingerprint()).not.toBe(key.fingerprint())
    expect(key.fingerprint()).not.toBe(digest(digest('correct horse')))
  })

  it('is the same for letters that look the same, whatever keyboard typed them', () => {
    const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301'].map((text) =>
      GroupKey.fromPassphrase(text).fingerprint(),
    )
    expect(composed).toBe(decomposed)
  })

  it('is not made from no words', () => {
    expect(() => GroupKey.fromPassphrase('')).toThrow(invalidKey)
  })

  it('prints its first and last byte only, whatever looks at it', () => {
    const key = GroupKey.fromSecret(SECRET)
    const shown = [
      `${key}`,
      JSON.stringify({ key }),
      inspect({ key }, { showHidden: true, depth: 9 }),
      inspect({ ...key }),
    ]
    expect(shown[0]).toBe('GroupKey(a1…2b)')
    for (const text of shown) expect(text).not.toMatch(/5c|92/)
    expect(Object.keys(key)).toEqual([])
  })
})

describe('a proof of the group key', () => {
  const key = GroupKey.fromSecret(SECRET)
  const [dialler, acceptor] = [
    Identity.fromSeed(new Uint8Array(32).fill(1)),
    Identity.fromSeed(new Uint8Array(32).fill(2)),
  ]
  const sharedRandom = new Uint8Array(32).fill(9)
  const proof = key.prove(sharedRandom, dialler.peer)

  it('is BLAKE3, keyed with the secret, over the shared random and the id of the prover', () => {
    expect(proof).toEqual(crypto.keyedBlake3(SECRET, sharedRandom, bytesOf(dialler.peer)))
    expect(key.verifyProof(sharedRandom, dialler.peer, proof)).toBe(true)
  })

  it('is refused with another key, on another link, or sent back to its maker', () => {
    expect(GroupKey.random().verifyProof(sharedRandom, dialler.peer, proof)).toBe(false)
    expect(key.verifyProof(new Uint8Array(32), dialler.peer, proof)).toBe(false)
    expect(key.verifyProof(sharedRandom, acceptor.peer, proof)).toBe(false)
  })

  it('is refused with any bit changed or any other length', () => {
    for (let bit = 0; bit < 256; bit++) {
      const changed = proof.slice()
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(key.verifyProof(sharedRandom, dialler.peer, changed)).toBe(false)
    }
    for (const length of [0, 31, 33]) {
      expect(key.verifyProof(sharedRandom, dialler.peer, new Uint8Array(length))).toBe(false)
    }
  })
})

describe('a group id', () => {
  const key = GroupKey.fromSecret(SECRET)
  const settings: GroupSettings = {
    timing: RAFT_TIMING,
    machine: { id: 'counter', version: 1 },
    validators: [{ signature: 'a' }, { signature: 'b' }],
  }
  const id = groupId(key, settings)

  it('is the same for the same settings, and does not change between releases', () => {
    expect(groupId(GroupKey.fromSecret(SECRET), { ...settings, timing: { ...RAFT_TIMING } })).toBe(id)
    expect(id).toBe('325f5c1710323c37e45d487c1509c17e2e47e807935b8951195b7c5f484bc217')
  })

  it('tells nothing of the secret but its hash', () => {
    expect(id).not.toBe(key.fingerprint())
  })

  it.each<[string, Partial<GroupSettings>]>([
    ['election timeout', { timing: { ...RAFT_TIMING, electionTimeoutMs: 2_001 } }],
    ['election jitter', { timing: { ...RAFT_TIMING, electionJitterMs: 501 } }],
    ['heartbeat interval', { timing: { ...RAFT_TIMING, heartbeatIntervalMs: 501 } }],
    ['state machine', { machine: { id: 'countes', version: 1 } }],
    ['version of the state machine', { machine: { id: 'counter', version: 2 } }],
    ['order of validators', { validators: [{ signature: 'b' }, { signature: 'a' }] }],
    ['number of validators', { validators: [{ signature: 'a' }] }],
    ['cut between validators', { validators: [{ signature: 'ab' }] }],
    ['validators at all', { validators: [] }],
  ])('differs with another %s', (_, change) => {
    expect(groupId(key, { ...settings, ...change })).not.toBe(id)
  })

  it('differs with another key', () => {
    expect(groupId(GroupKey.random(), settings)).not.toBe(id)
  })
})
