// The review card. The server sends the next examples rendered; a key shows the next one at once; what was decided waits in
// the outbox until the server has it. Of what comes from a corpus only the fields that ui/rendering.py made are set as HTML;
// all else is set as text.
import { Acts } from "./acts.js"
import { Drafts } from "./drafts.js"
import { filled } from "./elements.js"
import { pressed } from "./keys.js"
import { Line } from "./line.js"
import { Outbox, RETRY_MS } from "./outbox.js"
import { Screen } from "./screen.js"
import { Sight } from "./sight.js"
import { verb } from "./status.js"

const DRAFT_MS = 1000
const cards = new WeakMap()
// Streamlit may show an old card for a moment beside the new one, as after a reconnect: keys are for the newest alone.
let newest = null

export default function (component) {
  const root = component.parentElement
  let card = cards.get(root)
  if (!card) {
    card = new Card(root)
    cards.set(root, card)
  }
  card.receive(component)
  return () => {
    card.leave()
    cards.delete(root)
  }
}

class Card {
  constructor(root) {
    newest = this
    this.t = (key, values) => filled(this.data.words, key, values)
    this.cards = new Map() // row → example as the server sent it
    this.outbox = new Outbox()
    this.line = new Line()
    this.drafts = new Drafts()
    this.screen = new Screen(root, this)
    this.sight = new Sight(this.screen.body, () => this.shown)
    this.acts = new Acts(this)
    this.searched = false // Enter in the search box was the last key
    this.listen()
  }

  listen() {
    const end = new AbortController()
    const when = (target, name, act, capture = false) => target.addEventListener(name, act, { capture, signal: end.signal })
    when(document, "keydown", (event) => newest === this && pressed(event, this), true)
    when(document, "visibilitychange", () => document.visibilityState === "visible" && this.sight.paint())
    when(window, "resize", () => this.screen.measure())
    const observer = new ResizeObserver(() => this.screen.measure())
    observer.observe(document.body)
    const timers = [setInterval(() => this.retry(), RETRY_MS), setInterval(() => this.saveDraft(), DRAFT_MS)]
    end.signal.addEventListener("abort", () => (observer.disconnect(), timers.forEach(clearInterval)))
    this.silence = () => end.abort()
  }

  leave() {
    this.saveDraft()
    this.silence()
    this.sight.leave()
  }

  get row() {
    return this.line.row
  }

  // The example on the screen; undefined where it is still on its way, and at the end.
  get shown() {
    return this.cards.get(this.row)
  }

  // What the reviewer made of it, where that is something else.
  get draft() {
    return this.shown && this.drafts.differing(this.shown)
  }

  reason(name) {
    const key = Object.keys(this.data.reasons).find((k) => this.data.reasons[k] === name)
    return key ? this.t(`reason_${key}`) : name
  }

  // --- what the server says ------------------------------------------------------------------------------------------

  receive({ data, setStateValue }) {
    this.outbox.put = setStateValue
    if (!data) return
    const first = !this.data
    this.data = data
    this.outbox.store = data.store
    if (first) {
      this.screen.build()
      this.outbox.adopt()
      for (const entry of this.outbox.decisions()) if (entry.row !== null) this.line.decided.set(entry.row, entry)
    }
    for (const card of Object.values(data.cards)) {
      // What was asked for twice comes twice: the one on the screen stays, and with it where its reader is.
      if (!this.cards.has(card.row)) this.cards.set(card.row, card)
      this.drafts.receive(card)
    }
    for (const [row, saved] of Object.entries(data.drafts)) this.draftSaved(Number(row), saved)
    const reopened = data.answers.map((answer) => this.acknowledge(answer)).filter((row) => row !== null)
    this.outbox.answered(data.replies)
    this.arrange(data)
    if (reopened.length) this.line.show(reopened.at(-1))
    this.render()
    if ((first && this.outbox.pending.length) || this.missing().length) this.send()
  }

  // The row that has to be shown because of this answer, or null.
  acknowledge(answer) {
    const { decided } = this.line
    const entry = this.outbox.find(answer)
    if (!entry) return null
    this.outbox.forget(entry)
    if (answer.error) {
      this.screen.toast.say(this.t("refused", { error: answer.error }), { alert: true })
      if (entry.row !== null && decided.get(entry.row)?.seq === entry.seq) decided.delete(entry.row)
      // The words of an edit that was not taken are a draft again.
      if (entry.messages && !this.drafts.get(entry.row)) this.drafts.restore(entry.row, entry.content, entry.messages, true)
      return null
    }
    if (entry.kind !== "undo") return null
    const undone = answer.undone ?? null
    const last = this.acts.taken.get(entry.seq)
    // The server's last decision was another one (a second tab): what was opened here still stands.
    if (entry.session === this.outbox.session && last && last.row !== undone) decided.set(last.row, last)
    if (undone === null) {
      this.screen.toast.say(this.t(answer.gone ? "undone_gone" : "nothing_to_undo"))
      return null
    }
    this.line.open([undone, ...(answer.rows || [])])
    if (entry.row === null) this.screen.toast.say(this.t("undone", { what: verb(this.t, answer.was) }))
    return entry.row === undone ? null : undone
  }

  arrange({ deck, queue, again, because }) {
    for (const [row, why] of Object.entries(because)) if (this.cards.has(Number(row))) this.cards.get(Number(row)).because = why
    if (this.queue === queue.id) {
      // A second look is a first one: nothing of what was here before is shown.
      for (const row of this.line.arrange(deck, again, this.outbox.decisions())) if (row !== this.row) this.forget(row)
      return
    }
    // Who pressed Enter in the search box, and nothing since, wants to read what was found.
    if (this.searched) this.screen.focus()
    this.searched = false
    this.queue = queue.id
    this.screen.turned = null
    this.line.begin(deck, this.outbox.decisions())
    this.acts.mode = null
  }

  forget(row) {
    this.cards.delete(row)
    this.drafts.forget(row)
  }

  missing() {
    return this.line.rows.filter((row) => !this.cards.has(row))
  }

  draftSaved(row, saved) {
    this.drafts.saved(row, saved)
    if (this.acts.mode === "edit" && row === this.row) this.screen.draftSaved()
  }

  // --- what goes to the server ---------------------------------------------------------------------------------------

  send() {
    this.outbox.send({ have: [...this.cards.keys()], drafts: this.drafts.unsaved() })
    this.screen.saved()
  }

  retry() {
    if (this.outbox.isLate(this.missing().length > 0)) this.send()
  }

  saveDraft() {
    if (this.drafts.collect()) this.send()
  }

  ask(kind, values, done) {
    this.outbox.ask(kind, values, done)
    this.send()
  }

  render() {
    this.screen.draw()
    this.sight.paint()
  }
}
