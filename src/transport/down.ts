/** That a connection is down, for whoever waits for it. While it stands nearly nobody does, so there is no promise before one is asked for. */
export class Down {
  isReached = false
  #promise: Promise<void> | null = null
  #resolve: (() => void) | null = null

  reach(): void {
    this.isReached = true
    this.#resolve?.()
  }

  reached(): Promise<void> {
    if (this.isReached) return Promise.resolve()
    this.#promise ??= new Promise((resolve) => {
      this.#resolve = resolve
    })
    return this.#promise
  }
}
