/**
 * The lease on a store: at most one open store writes it, and whoever is killed lets go of it.
 *
 * It is a reader slot of an LMDB environment of its own, which holds no data. Each slot names a process, and the process holds
 * a `fcntl` lock on the lock file for as long as it lives (mdb.c, `mdb_reader_pid`), so the kernel takes the lease back after any
 * death, SIGKILL among them, and a process that came to the same number later does not look like the dead one. Who wants
 * the lease looks and registers inside one write transaction: LMDB's writer mutex, robust against the death of its owner, makes
 * the two one step, so of several that try at once exactly one succeeds. Nobody keeps that mutex, so a holder that is
 * stopped stops nobody else. A transaction that nobody refers to is ended by the garbage collector, and its slot with it: so the lease
 * is the transaction, held until it is given back.
 *
 * Within one process the slot cannot help, and a second descriptor would undo the first one's lock (POSIX: closing any
 * descriptor of a file drops the process's `fcntl` locks on it). So before the file is opened, the process's own descriptors are
 * searched for it, those of other threads included.
 *
 * Limits: only a file system with working `fcntl` locks keeps two hosts apart (NFS may not), and two threads of one process that
 * open the same store within the same moment are not told apart. Windows has no list of descriptors: there only the slots speak.
 */
import { fstatSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Transaction } from 'lmdb'
import { type Environment, openEnvironment, refusal } from './lmdb-environment.ts'

const SLOT = /^\s*(\d+)\s/

export interface Lease {
  release(): Promise<void>
}

/** Takes the lease kept in `folder`, which is made if there is none. Throws `StorageFailed` where another holds it. */
export function takeLease(folder: string): Lease {
  if (isOpenHere(join(folder, 'lock.mdb'))) throw heldBy(process.pid)
  const environment = openLease(folder)
  let slot: Transaction | number
  try {
    environment.readerCheck()
    slot = environment.transactionSync(() => holderElse(environment))
  } catch (cause) {
    void environment.close()
    throw refusal(`The lease in ${folder} cannot be taken.`, cause)
  }
  if (typeof slot !== 'number') return leaseOf(environment, slot)
  void environment.close()
  throw heldBy(slot)
}

function leaseOf(environment: Environment, slot: Transaction): Lease {
  return {
    release: () => {
      slot.done()
      return environment.close()
    },
  }
}

function openLease(folder: string): Environment {
  try {
    return openEnvironment(folder)
  } catch (cause) {
    throw refusal(`The lease in ${folder} cannot be opened; if nothing uses the store, remove that folder.`, cause)
  }
}

/** The process that holds the lease; where it is free, the slot that takes it now. */
function holderElse(environment: Environment): Transaction | number {
  for (const line of environment.readerList().split('\n')) {
    const slot = SLOT.exec(line)
    if (slot) return Number(slot[1])
  }
  return environment.useReadTransaction()
}

function heldBy(pid: number) {
  const who = pid === process.pid ? 'This process' : `Process ${pid}`
  return refusal(`${who} has this store open; close it there first. Two members must never share one store.`)
}

/** Whether some thread of this process has the file open. */
function isOpenHere(path: string): boolean {
  const file = statSync(path, { throwIfNoEntry: false })
  if (!file || process.platform === 'win32') return false
  return readdirSync('/dev/fd').some((name) => {
    try {
      const open = fstatSync(Number(name))
      return open.ino === file.ino && open.dev === file.dev
    } catch {
      return false // closed since it was listed: so it is not ours to find
    }
  })
}
