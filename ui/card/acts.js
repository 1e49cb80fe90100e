// What a reviewer does with the example on the screen. Nothing is decided on one that was not seen, and each decision is in the
// outbox before the next example is shown.
import { same } from "./elements.js"
import { verb } from "./status.js"

export class Acts {
  constructor(card) {
    this.card = card
    this.mode = null // null | "reject": a reason is asked for | "lose": an edit would be lost | "edit"
    this.lastReason = null
    this.done = [] // entries in the order decided: what undo goes back to
    this.taken = new Map() // seq of an undo → the entry that was last here, which it should take back
    this.named = this.names()
  }

  // What a key, a button or an item of a menu can ask for.
  names() {
    const { screen } = this.card
    return {
      keep: () => this.keep(), reject: () => this.enter("reject"), skip: () => this.decide("skip"), flag: () => this.decide("flag"),
      edit: () => this.edit(), undo: () => this.undo(), back: () => this.move(-1), next: () => this.move(1),
      bring: () => this.bring(), cluster: () => this.cluster(), view: () => screen.step(1),
      why: () => screen.unfold("why"), neighbours: () => screen.unfold("neighbours"), search: () => this.search(),
      help: () => screen.$("help").showModal(),
      reason: (reason) => this.reject(reason), again: () => this.reject(this.lastReason), save: () => this.saveEdit(),
      original: () => (this.discardDraft(), this.decide("keep")), leave: () => this.enter(null),
      walk: (by) => screen.walk(by), nothing: () => {},
    }
  }

  do(name, argument) {
    this.named[name](argument)
  }

  say(text, how) {
    this.card.screen.toast.say(text, how)
  }

  decide(kind, { reasons = [], messages = null, drop = null, keep = null } = {}) {
    if (!this.card.sight.seen()) return
    const { row, id, content } = this.card.shown
    const entry = this.card.outbox.write({ kind, row, id, content, reasons, messages, drop, keep, shown_ms: Math.round(this.card.sight.ms()) })
    this.done.push(entry)
    this.mode = null
    if (["keep", "reject", "edit"].includes(kind)) this.card.drafts.drop(row)
    this.card.line.decide(entry).forEach((gone) => this.card.forget(gone))
    this.card.render()
    this.card.send()
    const said = [verb(this.card.t, kind), reasons.map((name) => this.card.reason(name)).join(", ")].filter(Boolean).join(": ")
    this.say(said, { next: this.card.shown?.title, button: [this.card.t("undo"), "U", () => (this.undo(), this.card.screen.focus())] })
  }

  undo() {
    const last = this.done.pop()
    this.mode = null
    const { seq } = this.card.outbox.write({ kind: "undo", row: last ? last.row : null, id: null, content: null, shown_ms: null })
    this.taken.set(seq, last)
    if (last) {
      this.card.line.open([last.row, ...(last.drop || [])])
      if (last.kind === "edit") this.card.drafts.restore(last.row, last.content, last.messages)
      this.card.line.show(last.row)
      this.card.render()
      this.say(this.card.t("undone", { what: verb(this.card.t, last.kind) }))
    }
    this.card.send()
  }

  move(by) {
    if (!this.card.line.move(by)) return
    this.card.saveDraft()
    this.mode = null
    this.card.render()
  }

  enter(mode) {
    if (!this.card.sight.seen()) return
    this.mode = mode
    this.card.render()
  }

  keep() {
    if (this.card.draft) this.enter("lose")
    else this.decide("keep")
  }

  reject(reason) {
    if (reason) this.lastReason = reason
    this.decide("reject", { reasons: reason ? [reason] : [] })
  }

  bring() {
    if (this.card.shown && this.card.shown.fate === "kept") this.say(this.card.t("not_dropped"))
    else this.keep()
  }

  cluster(keep = null) {
    const members = this.card.shown?.cluster || []
    if (members.length < 2) return
    const kept = keep ?? this.card.row
    this.decide("cluster", { keep: kept, drop: members.map((member) => member.row).filter((row) => row !== kept) })
  }

  search() {
    const box = document.querySelector(".st-key-words input")
    if (box) (box.focus(), box.select())
  }

  // --- an edit -------------------------------------------------------------------------------------------------------

  edit() {
    if (!this.card.sight.seen()) return
    this.card.drafts.begin(this.card.shown)
    this.mode = "edit"
    this.card.screen.toast.hush()
    this.card.render()
    this.card.screen.write()
  }

  saveEdit() {
    const messages = this.card.drafts.get(this.card.row)?.messages
    if (!messages) return
    if (messages.some((message) => !message.content.trim())) return this.say(this.card.t("empty_turn"), { alert: true })
    if (same(messages, this.card.shown.messages)) this.decide("keep")
    else this.decide("edit", { messages })
    this.card.screen.focus()
  }

  leaveEdit() {
    this.card.saveDraft()
    this.mode = null
    if (!this.card.draft) this.card.drafts.drop(this.card.row)
    else this.say(this.card.t("draft_stays"))
    this.card.render()
    this.card.screen.focus()
  }

  discardDraft() {
    this.card.drafts.discard(this.card.shown)
    this.mode = null
    this.card.send()
    this.card.render()
  }
}
