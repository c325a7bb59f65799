import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bytesOf } from '../../src/identity/digest.ts'
import { Identity, peerIdOf, verify } from '../../src/identity/keys.ts'

const message = new TextEncoder().encode('tessera')
const SEED = new Uint8Array(32).fill(7)
const SEED_HEX = '07'.repeat(32)

describe('an identity', () => {
  it('signs what its peer id verifies', () => {
    const identity = Identity.ephemeral()
    expect(verify(identity.peer, message, identity.sign(message))).toBe(true)
  })

  it('is not verified for another message, another peer or a changed signature', () => {
    const identity = Identity.ephemeral()
    const signature = identity.sign(message)
    expect(verify(identity.peer, new Uint8Array(7), signature)).toBe(false)
    expect(verify(Identity.ephemeral().peer, message, signature)).toBe(false)
    signature[40] = (signature[40] as number) ^ 1
    expect(verify(identity.peer, message, signature)).toBe(false)
  })

  it.each([0, 63, 65])('is not verified by a signature of %i bytes', (length) => {
    expect(verify(Identity.ephemeral().peer, message, new Uint8Array(length))).toBe(false)
  })

  it('is ephemeral and new each time, or fixed by its seed', () => {
    expect(Identity.ephemeral()).toMatchObject({ kind: 'ephemeral' })
    expect(Identity.ephemeral().peer).not.toBe(Identity.ephemeral().peer)
    expect(Identity.fromSeed(SEED)).toMatchObject({ kind: 'fixed', peer: Identity.fromSeed(SEED).peer })
    expect(Identity.fromSeed(SEED, 'ephemeral').kind).toBe('ephemeral')
  })

  it('does not change when the seed given to it does', () => {
    const seed = SEED.slice()
    const identity = Identity.fromSeed(seed)
    seed.fill(0)
    expect(verify(identity.peer, message, identity.sign(message))).toBe(true)
  })

  it.each([31, 33])('is not made from a seed of %i bytes', (length) => {
    expect(() => Identity.fromSeed(new Uint8Array(length))).toThrow(expect.objectContaining({ code: 'InvalidKey' }))
  })

  it('shows its peer id and kind, and no secret, whatever looks at it', () => {
    const identity = Identity.fromSeed(SEED)
    const { peer } = identity
    expect(JSON.parse(JSON.stringify(identity))).toEqual({ peer, kind: 'fixed' })
    expect(structuredClone({ ...identity })).toEqual({ peer, kind: 'fixed' })
    const shown = inspect(identity, { showHidden: true, depth: 9 })
    expect(shown).toContain(peer)
    expect(shown).not.toContain(SEED_HEX)
    expect(shown).not.toMatch(/signer|secret/i)
  })
})

describe('a peer id', () => {
  it('is the public key in hex', () => {
    const { peer } = Identity.fromSeed(SEED)
    expect(peer).toMatch(/^[0-9a-f]{64}$/)
    expect(peerIdOf(bytesOf(peer))).toBe(peer)
  })

  it('has 32 bytes', () => {
    expect(() => peerIdOf(new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'InvalidKey' }))
  })
})

describe('an identity from a file', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tessera-keys-'))
    path = join(folder, 'node.key')
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('is made once, open to its owner only, and found again', async () => {
    const made = await Identity.fromFile(path)
    expect(made.kind).toBe('fixed')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect((await Identity.fromFile(path)).peer).toBe(made.peer)
    expect(await readdir(folder)).toEqual(['node.key'])
  })

  it('is the identity of the seed written there', async () => {
    await writeFile(path, `tessera.ed25519:${SEED_HEX}\n`, { mode: 0o600 })
    expect((await Identity.fromFile(path)).peer).toBe(Identity.fromSeed(SEED).peer)
  })

  it('is one and the same for all who create it at once', async () => {
    const identities = await Promise.all(Array.from({ length: 8 }, () => Identity.fromFile(path)))
    expect(new Set(identities.map(({ peer }) => peer)).size).toBe(1)
    expect(await readdir(folder)).toEqual(['node.key'])
  })

  it.each([
    ['nothing', ''],
    ['bare hex', `${SEED_HEX}\n`],
    ['a short key', `tessera.ed25519:${SEED_HEX.slice(2)}\n`],
    ['a long key', `tessera.ed25519:${SEED_HEX}07\n`],
    ['two lines', `tessera.ed25519:${SEED_HEX}\ntessera.ed25519:${SEED_HEX}\n`],
    ['much else', 'x'.repeat(100_000)],
  ])('is refused, and the file left alone, where it holds %s', async (_, content) => {
    await writeFile(path, content, { mode: 0o600 })
    await expect(Identity.fromFile(path)).rejects.toMatchObject({
      code: 'InvalidKey',
      message: expect.stringContaining('does not hold a key'),
    })
    expect(await readFile(path, 'latin1')).toBe(content)
  })

  it.runIf(process.platform !== 'win32').each([0o640, 0o604, 0o620, 0o666])(
    'is refused where others may open the file (mode %o)',
    async (mode) => {
      await Identity.fromFile(path)
      await chmod(path, mode)
      await expect(Identity.fromFile(path)).rejects.toMatchObject({
        code: 'InvalidKey',
        message: expect.stringContaining(`mode ${mode.toString(8)}`),
      })
    },
  )

  it('is refused, saying why, where there is no file to be had', async () => {
    await symlink(join(folder, 'nowhere'), path)
    await expect(Identity.fromFile(path)).rejects.toMatchObject({ code: 'InvalidKey' })
    await expect(Identity.fromFile(folder)).rejects.toMatchObject({ code: 'InvalidKey' })
    await expect(Identity.fromFile(join(folder, 'no/such/folder.key'))).rejects.toMatchObject({
      code: 'InvalidKey',
      message: expect.stringContaining('cannot be created'),
    })
    expect(await readdir(folder)).toEqual(['node.key'])
  })
})
