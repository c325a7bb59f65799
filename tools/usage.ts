/** `--help` and wrong options, alike in every tool. */

/**
 * What `read` makes of the command line. With `--help` it is `usage` on standard output and exit code 0; where `read` throws a `TypeError`
 * or `RangeError`, what is wrong and `usage` on standard error, and exit code 2.
 */
export function readOptions<T>(usage: string, read: () => T): T {
  if (process.argv.slice(2).includes('--help')) {
    process.stdout.write(usage)
    process.exit(0)
  }
  try {
    return read()
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}

/** Throws `RangeError` where `text` is no whole number in these bounds. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`--${option}: a whole number from ${min} to ${max}.`)
  }
  return value
}
