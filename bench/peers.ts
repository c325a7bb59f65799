/** What others run for the same job: three local nodes each of etcd and NATS, where their binaries are on the PATH. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEtcd } from './etcd.ts'
import { openNats } from './nats.ts'

export interface Peer {
  readonly subject: 'etcd' | 'nats' | 'nats-bare'
  readonly version: string
  /** One command, answered once it is committed. */
  readonly execute: () => Promise<unknown>
  readonly close: () => Promise<void>
}

/** Those that are installed; says how to install the others. */
export async function openPeers(storage: 'memory' | 'durable', tell: (line: string) => void): Promise<Peer[]> {
  const peers: Peer[] = []
  if (isThere('nats-server')) peers.push(...(await openNats(storage)))
  else tell('NATS is left out: `nats-server` is not on the PATH. Debian: apt-get install nats-server')
  // etcd keeps everything on disk.
  if (storage === 'memory') return peers
  if (isThere('etcd')) peers.push(await openEtcd())
  else tell('etcd is left out: `etcd` is not on the PATH. Debian: apt-get install etcd-server')
  return peers
}

function isThere(binary: string): boolean {
  return spawnSync(binary, ['--version'], { stdio: 'ignore' }).status === 0
}

export function versionOf(binary: string): string {
  const said = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout
  return /\d+\.\d+\.\d+/.exec(said)?.[0] ?? 'unknown'
}

/** Ports nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Three processes of one binary in a folder of their own, which goes with them. */
export function startThree(binary: string, argumentsOf: (i: number, folder: string) => readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), `tessera-bench-${binary}-`))
  const processes = [0, 1, 2].map((i) => spawn(binary, argumentsOf(i, join(folder, `${i}`)), { stdio: 'ignore' }))
  process.once('exit', () => processes.map((one) => one.kill('SIGKILL')))
  return {
    close: async () => {
      const ended = processes.map((one) =>
        one.exitCode !== null ? null : new Promise((resolve) => one.once('exit', resolve)),
      )
      for (const one of processes) one.kill('SIGKILL')
      await Promise.all(ended)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
