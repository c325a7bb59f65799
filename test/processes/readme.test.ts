/** The README's example is run as it stands. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Command, ROOT } from './command.ts'

it('the example of the README runs and prints what all members agree on', async () => {
  const [, example = ''] = /```js\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? []
  expect(example).toContain("from 'tessera'")
  const command = new Command(process.execPath, ['--input-type=module'])
  try {
    const { code, lines } = await command.run(example)
    expect(lines).toEqual([expect.stringMatching(/^\{ index: \d+, result: 2, answer: 2 \}$/)])
    expect(code).toBe(0)
  } finally {
    await command.dispose()
  }
})
