/** What `npm run bench` is told. */
import { parseArgs } from 'node:util'

export interface BenchOptions {
  readonly name: string
  /** Standard output gets one JSON object and nothing else. */
  readonly json: boolean
  /** Compare with etcd and NATS too, where they are installed. */
  readonly peers: boolean
  /** Length of one round of measurement, or of one "minute" of the soak. */
  readonly seconds: number
  /** How often each thing is measured; the median counts. */
  readonly rounds: number
  /** What a person may want to follow; goes to standard error. */
  readonly tell: (line: string) => void
}

export const USAGE = `npm run bench -- <name> [--json] [--peers] [--seconds S] [--rounds N]

  commit     commands through a group of three processes, beside a bare loop over ws (and etcd, NATS with --peers)
  bond       messages and memory of bonds, beside bare ws
  handshake  bonds formed per second, and full meshes
  failover   time to the next commit after the leader is killed or frozen
  mesh       what an idle full mesh costs
  soak       ten minutes of load with reconnects: does the heap grow?
  machine    micro: XState, codec, Noise, log, validators
`

const ROUND_SECONDS = 3
const SOAK_SECONDS = 60

/** Throws `TypeError` where the arguments are not those of `USAGE`. */
export function parseOptions(argv: readonly string[], tell: (line: string) => void): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new TypeError('Give the name of one benchmark.')
  const seconds = positive('seconds', values.seconds ?? `${name === 'soak' ? SOAK_SECONDS : ROUND_SECONDS}`)
  const rounds = Math.ceil(positive('rounds', values.rounds))
  return { name, json: values.json, peers: values.peers, seconds, rounds, tell }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new TypeError(`--${name}: give a number above 0.`)
  return value
}
