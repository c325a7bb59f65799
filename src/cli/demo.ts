/**
 * `tessera demo`: starts the processes, waits until they are one group, runs commands from standard input, ends the
 * processes. What it prints on standard output is the commands' results alone.
 */
import { TesseraError } from '../errors.ts'
import { Cluster, type MemberProcess } from './cluster.ts'
import { openDemoData } from './data.ts'
import { interruption } from './interruption.ts'
import { printed } from './member.ts'
import { paintFor } from './paint.ts'
import { runSession } from './session.ts'
import { statusTable } from './status.ts'
import type { Verb, Verbs } from './verbs.ts'

export interface DemoOptions {
  readonly nodes: number
  readonly voters: number
  /** Folder that keeps the group; absent: a temporary one. */
  readonly data?: string
}

/** Resolves with the exit code, when no process of the demo is left. */
export async function runDemo(options: DemoOptions, fork: () => MemberProcess): Promise<number> {
  const { stdin: input, stdout: output, stderr: notes } = process
  const interrupted = interruption(output)
  const tell = notes.isTTY ? (text: string) => notes.write(`${paintFor(notes)('dim', text)}\n`) : () => undefined
  const data = openDemoData(options.data)
  const { nodes, voters } = options
  const key = { secret: data.secret }
  const cluster = new Cluster({ nodes, voters, network: 'tessera.demo', key, data: data.folder }, fork)
  const interactive = input.isTTY === true && output.isTTY === true
  const run = async () => {
    tell(`starting ${nodes} processes, which keep their data in ${data.folder}`)
    await cluster.form()
    tell(`one group, led by node ${await cluster.leader()}${interactive ? '; help lists the commands' : ''}`)
    const verbs = demoVerbs(cluster, nodes, (text) => notes.write(`${text}\n`))
    const { signal } = interrupted
    return await runSession(verbs, {
      input,
      output,
      interactive,
      prompt: 'tessera>',
      signal,
      onInterrupt: interrupted.quit,
    })
  }
  try {
    return await Promise.race([run(), interrupted.code])
  } finally {
    await cluster.end()
    data.discard()
  }
}

/** The commands of the demo. `note` tells what does not belong on standard output. */
export function demoVerbs(cluster: Cluster, nodes: number, note: (text: string) => void): Verbs {
  const numbers = Array.from({ length: nodes }, (_, index) => String(index + 1))
  return { ...storeVerbs(cluster, numbers), ...groupVerbs(cluster), ...processVerbs(cluster, numbers, note) }
}

function storeVerbs(cluster: Cluster, numbers: readonly string[]): Verbs {
  return {
    set: {
      takes: ['key', 'value'],
      takesRest: true,
      does: 'sets a key to a value, prints the index in the log',
      run: async (key = '', value = '') => `ok ${await (await cluster.anyMember()).set(key, value)}`,
    },
    delete: {
      takes: ['key'],
      does: 'removes a key, prints the index in the log',
      run: async (key = '') => `ok ${await (await cluster.anyMember()).delete(key)}`,
    },
    get: {
      takes: ['key'],
      does: 'strong read: the value the group holds, or (nil)',
      run: async (key = '') => printed(await (await cluster.anyMember()).get(key)),
    },
    peek: {
      takes: ['n', 'key'],
      does: 'weak read: the value node n has applied, or (nil)',
      completes: numbers,
      run: async (n = '', key = '') => printed(await cluster.member(nodeNumber(n)).peek(key)),
    },
  }
}

function groupVerbs(cluster: Cluster): Verbs {
  return {
    status: {
      takes: [],
      does: 'a table of the nodes',
      run: async () => statusTable(await cluster.reports()),
    },
    wait: {
      takes: [],
      does: 'waits until all live nodes agree, prints the index they have applied',
      run: async () => `agreed ${await cluster.agree()}`,
    },
  }
}

function processVerbs(cluster: Cluster, numbers: readonly string[], note: (text: string) => void): Verbs {
  const kill: Verb = {
    takes: ['n|leader'],
    does: 'kills the process of a node (SIGKILL)',
    completes: [...numbers, 'leader'],
    run: async (which = '') => {
      const n = which === 'leader' ? await cluster.leader() : nodeNumber(which)
      await cluster.kill(n)
      return `killed ${n}`
    },
  }
  const start: Verb = {
    takes: ['n'],
    does: 'starts a dead node again, as the member it was',
    completes: numbers,
    run: async (text = '') => {
      const n = nodeNumber(text)
      await cluster.start(n)
      note(`node ${n}: comes back as the member it was, with the term, vote and log it kept on disk`)
      return `started ${n}`
    },
  }
  const leave: Verb = {
    takes: ['n'],
    does: 'lets a node leave the group and end',
    completes: numbers,
    run: async (text = '') => {
      const n = nodeNumber(text)
      await cluster.leave(n)
      return `left ${n}`
    },
  }
  return { kill, start, leave }
}

function nodeNumber(text: string): number {
  if (!/^\d{1,4}$/.test(text))
    throw new TesseraError('InvalidArgument', { detail: `Not the number of a node: ${text}` })
  return Number(text)
}
