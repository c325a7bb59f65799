/** `machine`: the parts by themselves, in this process, so that a profile has names and figures. */
import { codecFigures } from './codec.ts'
import type { Figure } from './figure.ts'
import { hotPathFigures } from './hot-path.ts'
import type { BenchOptions } from './options.ts'
import type { Measured, Row } from './report.ts'
import { validatorFigures } from './validators.ts'

export async function machine({ tell }: BenchOptions): Promise<Measured> {
  const rows: Row[] = []
  const parts: readonly (() => Figure[] | Promise<Figure[]>)[] = [hotPathFigures, codecFigures, validatorFigures]
  for (const part of parts) {
    for (const { what, nanoseconds = null, bytes = null } of await part()) {
      tell(`${what}: ${nanoseconds ?? bytes}`)
      rows.push({ what, nanoseconds, bytes })
    }
  }
  return { rows, ratios: [], rounds: [] }
}
