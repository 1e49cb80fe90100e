// What was decided here and is not on the server's disk yet. It waits in memory and in localStorage, and is sent again until
// the server has answered each entry. What the card asks of the server is sent again in the same way.
import { random } from "./elements.js"

export const RETRY_MS = 3000

export class Outbox {
  constructor() {
    this.session = random()
    this.seq = 0
    this.pending = [] // entries that the server has not acknowledged, the oldest first
    this.asks = new Map() // id → {id, kind, …, done}
    this.asked = 0
    this.sent = 0
    this.sentAt = 0
    this.waitingSince = null
    this.put = null // streamlit's way to the server
    this.store = null // the name of this run, desk and reviewer in localStorage
  }

  // An entry as it is kept from now on.
  write(entry) {
    const full = { session: this.session, seq: ++this.seq, reasons: [], messages: null, drop: null, ...entry }
    this.pending.push(full)
    this.save(this.session)
    return full
  }

  find({ session, seq }) {
    return this.pending.find((entry) => entry.session === session && entry.seq === seq)
  }

  forget(entry) {
    this.pending = this.pending.filter((other) => other !== entry)
    this.save(entry.session)
  }

  decisions() {
    return this.pending.filter((entry) => entry.kind !== "undo")
  }

  save(session) {
    const mine = this.pending.filter((entry) => entry.session === session)
    const name = `${this.store} ${session}`
    try {
      if (mine.length) localStorage.setItem(name, JSON.stringify(mine))
      else localStorage.removeItem(name)
    } catch {
      // Storage is full or forbidden. Memory still has them, and the dot says that they are not saved.
    }
  }

  // What earlier pages of this browser left unsent.
  adopt() {
    for (const name of Object.keys(localStorage)) {
      if (!name.startsWith(`${this.store} `)) continue
      try {
        this.pending.push(...JSON.parse(localStorage.getItem(name)))
      } catch {
        localStorage.removeItem(name)
      }
    }
  }

  ask(kind, values, done) {
    const id = `${this.session}-${++this.asked}`
    this.asks.set(id, { id, kind, ...values, done })
  }

  answered(replies) {
    for (const [id, reply] of Object.entries(replies)) {
      const ask = this.asks.get(id)
      if (!ask) continue
      this.asks.delete(id)
      ask.done(reply)
    }
  }

  // All that waits, with `rest`: what the card has and lacks.
  send(rest) {
    this.sentAt = performance.now()
    this.put("wire", { n: ++this.sent, log: this.pending, ask: [...this.asks.values()].map(({ done, ...ask }) => ask), ...rest })
  }

  // Whether it is time to send again what got no answer; `lacking`: the card waits for examples, too.
  isLate(lacking) {
    return (this.pending.length || this.asks.size || lacking) && performance.now() - this.sentAt > RETRY_MS - 200
  }

  // "all" is saved, "some" is on its way, or it is "late".
  state() {
    const n = this.pending.length
    const late = n > 0 && this.sentAt && performance.now() - (this.waitingSince ?? this.sentAt) > RETRY_MS
    this.waitingSince = n ? (this.waitingSince ?? performance.now()) : null
    return n === 0 ? "all" : late ? "late" : "some"
  }
}
