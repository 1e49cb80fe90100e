// What has been before the reader's eyes, and for how long: no decision is taken on an example that was not seen.

const DWELL_MS = 150 // an example that was on the screen for less was not seen

export class Sight {
  // `body` says in its data what was painted and seen; `shown` gives the example that belongs on the screen now.
  constructor(body, shown) {
    this.body = body
    this.shown = shown
    this.painted = null // {row, at}: what has been on the screen since when
  }

  // What was drawn is on the screen after the next frame; from then on its time counts.
  paint() {
    const card = this.shown()
    if (card && this.painted?.row === card.row) return
    this.painted = null
    this.body.dataset.painted = this.body.dataset.seen = ""
    if (!card) return
    requestAnimationFrame(() => {
      const channel = new MessageChannel()
      channel.port1.onmessage = () => {
        if (this.shown()?.row !== card.row) return
        this.painted = { row: card.row, at: performance.now() }
        this.body.dataset.painted = card.id
        clearTimeout(this.timer)
        this.timer = setTimeout(() => (this.body.dataset.seen = this.seen() ? this.shown().id : ""), DWELL_MS + 1)
      }
      channel.port2.postMessage(null)
    })
  }

  seen() {
    const card = this.shown()
    return Boolean(card && this.painted?.row === card.row && document.visibilityState === "visible" && this.ms() >= DWELL_MS)
  }

  // For how long it has been on the screen.
  ms() {
    return performance.now() - this.painted.at
  }

  leave() {
    clearTimeout(this.timer)
  }
}
