/** Golden scenarios: whole clusters, step by step. */
import { describe, expect, it } from 'vitest'
import { Cluster } from './cluster.ts'

describe('a cluster', () => {
  it('forms, elects, replicates, and every member applies the same', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    cluster.propose(leader.name, 'x')
    cluster.propose(leader.name, 'y', 'z')
    cluster.settle()
    for (const { commands } of cluster.alive) expect(commands).toEqual(['x', 'y', 'z'])
  })
})
