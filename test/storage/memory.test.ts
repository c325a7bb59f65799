import { memory } from '../../src/actors/storage/memory.ts'
import { describeStorage } from './conformance.ts'

describeStorage('memory', false, () => ({ storage: memory(), again: memory, remove: () => {} }))
