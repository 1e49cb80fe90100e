// Edits that are not decided yet: kept here while someone types, on the server from a second later on.
import { same } from "./elements.js"

export class Drafts {
  constructor() {
    this.rows = new Map() // row → {content, messages, n, saved, changed}; n: the number of its last state, saved: the one the server has
    this.diffs = new Map() // row → HTML of the difference that the edit makes
    this.count = 0
  }

  get(row) {
    return this.rows.get(row)
  }

  // An example that the server sent, perhaps with the draft of an earlier page.
  receive(card) {
    if (!card.draft || this.rows.has(card.row)) return
    this.restore(card.row, card.content, card.draft)
    this.diffs.set(card.row, card.draft_html)
  }

  // `changed`: the server does not have it.
  restore(row, content, messages, changed = false) {
    this.rows.set(row, { content, messages, n: 0, saved: 0, changed })
  }

  begin(card) {
    if (!this.rows.has(card.row)) this.restore(card.row, card.content, card.messages.map((message) => ({ ...message })))
  }

  // The draft of an example where it says something else than the example.
  differing(card) {
    const draft = this.rows.get(card.row)
    return draft && !same(draft.messages, card.messages) ? draft : null
  }

  // The text itself again, which the server has to hear, too.
  discard(card) {
    const n = ++this.count
    this.rows.set(card.row, { content: card.content, messages: card.messages, n, saved: n - 1 })
    this.diffs.delete(card.row)
  }

  drop(row) {
    this.rows.delete(row)
  }

  forget(row) {
    this.diffs.delete(row)
  }

  saved(row, { n, diff }) {
    const draft = this.rows.get(row)
    if (draft && n >= draft.saved) draft.saved = n
    this.diffs.set(row, diff)
  }

  // Whether anything was typed since the last call.
  collect() {
    const changed = [...this.rows.values()].filter((draft) => draft.changed)
    for (const draft of changed) Object.assign(draft, { changed: false, n: ++this.count })
    return changed.length > 0
  }

  unsaved() {
    const waiting = [...this.rows].filter(([, draft]) => draft.n > draft.saved)
    return waiting.map(([row, { content, n, messages }]) => ({ row, content, n, messages }))
  }
}
