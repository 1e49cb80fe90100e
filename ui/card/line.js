// The line: the examples' rows in the order they are shown, those behind, the one on the screen, those to come; and what was
// decided on them in this page's life.

const BEHIND = 40 // so many examples can be walked back to

export class Line {
  constructor() {
    this.rows = []
    this.at = 0
    this.decided = new Map() // row → entry
  }

  get row() {
    return this.rows[this.at]
  }

  get isFirst() {
    return this.at === 0
  }

  get isLast() {
    return this.at >= this.rows.length - 1
  }

  // Another queue. What was decided in the one before may be what this one is about; what is still on its way (`waiting`) is
  // not asked again.
  begin(deck, waiting) {
    this.decided = new Map(waiting.map((entry) => [entry.row, entry]))
    this.rows = [...deck]
    this.at = 0
    this.at = this.firstOpen()
  }

  // The deck as the server has it now: what is on the screen stays there, and what was decided stays where it was, but for
  // the rows `again`, which come a second time unless that is decided too and on its way (`waiting`). Returns those.
  arrange(deck, again, waiting) {
    const current = this.row
    const pending = new Set(waiting.map((entry) => entry.row))
    const second = again.filter((row) => this.decided.has(row) && !pending.has(row))
    this.open(second)
    const kept = this.rows.slice(0, this.at + (current !== undefined ? 1 : 0)).filter((row) => this.decided.has(row) || row === current)
    const ahead = this.rows.slice(kept.length).filter((row) => this.decided.has(row))
    const rest = deck.filter((row) => !kept.includes(row) && !ahead.includes(row) && !this.decided.has(row))
    this.rows = [...kept, ...ahead, ...rest]
    this.at = current === undefined ? Math.min(this.at, this.rows.length) : this.rows.indexOf(current)
    if (current === undefined) this.at = this.firstOpen()
    return second
  }

  // The place of the next example that is not decided, or one before; the end where there is none.
  firstOpen() {
    for (let i = this.at; i < this.rows.length; i++) if (!this.decided.has(this.rows[i])) return i
    const before = this.rows.findIndex((row) => !this.decided.has(row))
    return before < 0 ? this.rows.length : before
  }

  // Goes on after a decision. Returns the rows that are too far behind to be walked back to.
  decide(entry) {
    for (const row of [entry.row, ...(entry.drop || [])]) this.decided.set(row, entry)
    this.at = this.firstOpen()
    const gone = this.rows.splice(0, Math.max(0, this.at - BEHIND))
    this.at -= gone.length
    return gone
  }

  open(rows) {
    for (const row of rows) this.decided.delete(row)
  }

  show(row) {
    if (!this.rows.includes(row)) this.rows.splice(Math.min(this.at, this.rows.length), 0, row)
    this.at = this.rows.indexOf(row)
  }

  // Whether there was something to go to.
  move(by) {
    const to = this.at + by
    if (to < 0 || to >= this.rows.length) return false
    this.at = to
    return true
  }
}
