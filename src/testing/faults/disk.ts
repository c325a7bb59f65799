/** What happens to disks, and to processes at the moment they use them. What a crash leaves on one is `simulated-disk.ts`. */
import { comesOver, type Fault, nothing } from './fault.ts'

export const crashAtWrite = comesOver('crashAtWrite', (process, { chance, crash: down }) => {
  const moment = chance.oneOf(['write', 'sync', 'synced'] as const)
  const of = chance.oneOf(['vote', 'chunk', 'anything'] as const)
  process.disk.weather.crashAt = { moment, of, crash: () => down(process, `crashes at a ${moment} of ${of}`) }
})

const slowDisk: Fault = {
  name: 'slowDisk',
  lastsMs: { min: 500, max: 6_000 },
  begin: ({ chance, machines, note }) => {
    const { name, disk } = chance.oneOf(machines)
    const before = disk.weather.syncMs
    disk.weather.syncMs = chance.oneOf([
      { min: 5, max: 40 },
      { min: 50, max: 300 },
      { min: 800, max: 2_500 },
    ])
    note(name, `syncs in ${disk.weather.syncMs.max} ms`)
    return () => {
      disk.weather.syncMs = before
    }
  },
}

const failSync = comesOver('failSync', ({ name, disk }, { note }) => {
  note(name, 'has a failing sync ahead')
  disk.weather.failsNext = true
})

const fullDisk: Fault = {
  name: 'fullDisk',
  lastsMs: { min: 500, max: 4_000 },
  begin: ({ chance, machines, note }) => {
    const { name, disk } = chance.oneOf(machines)
    note(name, 'has a full disk')
    disk.weather.full = true
    return () => {
      disk.weather.full = false
    }
  },
}

/** A bit of the next snapshot that comes to anyone: the sum over all of it must tell. */
const damage: Fault = {
  name: 'damage',
  begin: ({ machines, note }) => {
    note('disks', 'are to keep a damaged chunk each')
    for (const { disk } of machines) disk.weather.damagesNext = true
    return nothing
  },
}

export const DISK_FAULTS: readonly Fault[] = [crashAtWrite, slowDisk, failSync, fullDisk, damage]
