/**
 * Options of the command line, from text to values. Each function throws `InvalidOption` with what was wrong.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { TesseraError } from '../errors.ts'
import { CLI, RAFT } from '../limits.ts'
import type { DemoOptions } from './demo.ts'
import type { MemberOptions } from './member.ts'

/** A passphrase given here is seen neither in the list of processes nor in the shell's history. */
export const PASSPHRASE_VARIABLE = 'TESSERA_PASSPHRASE'

/** Voters unless said otherwise: odd, for an even one more tolerates no more failures. */
const VOTERS_MAX = 5

export function count(name: string, text: string, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= max) return value
  throw invalid(`${name} is a number from 1 to ${max}, not ${text}.`)
}

/** `7001`, `host:7001` or a whole `ws://` address. */
export function address(name: string, text: string): string {
  const whole = /^\d+$/.test(text) ? `ws://127.0.0.1:${text}` : text.includes('://') ? text : `ws://${text}`
  const url = URL.canParse(whole) ? new URL(whole) : null
  if (url && /^wss?:$/.test(url.protocol) && url.hostname !== '') return whole
  throw invalid(`${name} is an address such as ws://127.0.0.1:7001, not ${text}.`)
}

/** How many of `nodes` vote where the user did not say. */
export function votersOf(nodes: number): number {
  const most = Math.min(nodes, VOTERS_MAX)
  return most % 2 === 0 ? most - 1 : most
}

export interface DemoFlags {
  readonly nodes: string
  readonly voters?: string
  readonly data?: string
}

export function demoOptions(flags: DemoFlags): DemoOptions {
  const nodes = count('--nodes', flags.nodes, CLI.nodesMax)
  return {
    nodes,
    voters:
      flags.voters === undefined ? votersOf(nodes) : count('--voters', flags.voters, Math.min(nodes, RAFT.votersMax)),
    ...folder(flags.data),
  }
}

/** Of --data: whole, for the processes of a demo may stand elsewhere. */
function folder(data: string | undefined): { data?: string } {
  if (data === '') throw invalid('--data is the path of a folder.')
  return data === undefined ? {} : { data: resolve(data) }
}

export interface PassphraseFlags {
  readonly passphrase?: string
  readonly passphraseFile?: string
}

/** From the one option given, else the environment. A file's last line break is not part of it. */
export function passphraseOf(flags: PassphraseFlags, env: NodeJS.ProcessEnv): string {
  if (flags.passphrase !== undefined && flags.passphraseFile !== undefined) {
    throw invalid('Give --passphrase or --passphrase-file, not both.')
  }
  const passphrase = flags.passphrase ?? fromFile(flags.passphraseFile) ?? env[PASSPHRASE_VARIABLE] ?? ''
  if (passphrase !== '') return passphrase
  throw invalid(`A passphrase is needed: set ${PASSPHRASE_VARIABLE}, or give --passphrase-file.`)
}

function fromFile(path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new TesseraError('InvalidOption', { detail: `The passphrase file cannot be read: ${path}`, cause: error })
  }
}

export interface NodeFlags extends PassphraseFlags {
  readonly network: string
  readonly listen?: string
  readonly advertise?: readonly string[]
  readonly bootstrap?: readonly string[]
  readonly voters: string
  readonly tag?: readonly string[]
  readonly interactive?: boolean
  readonly data?: string
}

export function nodeOptions(flags: NodeFlags, env: NodeJS.ProcessEnv): MemberOptions {
  const { network, listen, advertise = [], bootstrap = [], tag: tags = [] } = flags
  if (listen === undefined && bootstrap.length === 0) {
    throw invalid('Give --listen, --bootstrap or both: a node that neither listens nor dials meets nobody.')
  }
  return {
    network,
    key: { passphrase: passphraseOf(flags, env) },
    voters: count('--voters', flags.voters, RAFT.votersMax),
    bootstrap: bootstrap.map((text) => address('--bootstrap', text)),
    tags,
    ...(listen !== undefined && { listen: address('--listen', listen) }),
    ...folder(flags.data),
    ...(advertise.length > 0 && { advertise: advertise.map((text) => address('--advertise', text)) }),
  }
}

function invalid(detail: string): TesseraError {
  return new TesseraError('InvalidOption', { detail })
}
