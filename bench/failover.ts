/**
 * `failover`: the leader's process is killed (SIGKILL) or frozen (SIGSTOP) while a follower's process offers a command each millisecond.
 * Counted is the time from the signal to the first answer to a command that was offered after it. Each run has a group of its own.
 */
import type { BenchOptions } from './options.ts'
import type { Measured, Row } from './report.ts'
import { quantileOf, rounded } from './statistics.ts'
import type { MemberSettings } from './subject.ts'
import { Trio } from './trio.ts'

const RUNS = 20
/** Tuned: for members in one data centre, on machines that are not starved. */
const SETTINGS = {
  default: {},
  tuned: { electionTimeoutMs: 300, electionJitterMs: 150, heartbeatIntervalMs: 50 },
} as const satisfies Record<string, MemberSettings['timing']>
const SIGNALS = ['SIGKILL', 'SIGSTOP'] as const
/** Load before the signal, so that the group is warm and its pipes are full. */
const LEAD_IN_MS = 500

export async function failover({ tell }: BenchOptions): Promise<Measured> {
  const rounds: Row[] = []
  const rows: Row[] = []
  for (const signal of SIGNALS) {
    for (const settings of ['default', 'tuned'] as const) {
      const times: number[] = []
      for (let run = 0; run < RUNS; run++) {
        const ms = await once(signal, SETTINGS[settings])
        tell(`${signal} ${settings}: ${ms} ms`)
        times.push(ms)
        rounds.push({ signal, settings, ms })
      }
      const [p50Ms, p95Ms] = [quantileOf(times, 0.5), quantileOf(times, 0.95)]
      rows.push({ signal, settings, runs: RUNS, p50Ms, p95Ms })
    }
  }
  const first = rows[0]!
  return {
    rows,
    ratios: [
      { name: 'SIGKILL, defaults, p50 ms', value: Number(first.p50Ms), target: 150, wanted: 'at most' },
      { name: 'SIGKILL, defaults, p95 ms', value: Number(first.p95Ms), target: 400, wanted: 'at most' },
    ],
    rounds,
  }
}

async function once(signal: NodeJS.Signals, timing: MemberSettings['timing']): Promise<number> {
  const trio = await Trio.open(false, timing)
  try {
    const leader = await trio.leader()
    const follower = trio.members.find((member) => member !== leader)
    if (!leader || !follower) throw new Error('The group lost its leader.')
    await follower.call('offerSteadily', LEAD_IN_MS)
    const signalled = process.hrtime.bigint()
    leader.kill(signal)
    return rounded(await follower.call('answeredAfter', signalled.toString()), 4)
  } finally {
    await trio.close()
  }
}
