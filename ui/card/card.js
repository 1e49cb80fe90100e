// The review card. The server sends the next examples rendered; a key shows the next one at once; what was decided is
// kept here (memory and localStorage) until the server says that it is on its disk, and sent again until it does.
// Of what comes from a corpus only the fields that ui/rendering.py made are set as HTML; all else is set as text.

const DWELL_MS = 150 // an example that was on the screen for less was not seen: no decision is taken on it
const RETRY_MS = 3000
const DRAFT_MS = 1000
const TOAST_MS = 8000
const BEHIND = 40 // so many examples can be walked back to
const VIEWS = ["rendered", "raw", "cleaned", "mine"]
const KEYS = {
  k: "keep", a: "keep", x: "reject", " ": "skip", f: "flag", e: "edit", u: "undo", backspace: "undo",
  arrowleft: "back", arrowright: "next", w: "why", n: "neighbours", v: "view", b: "bring", d: "cluster",
  "/": "search", "?": "help",
}
const MARKS = { keep: "✓", edit: "✎", reject: "✕", skip: "↷", flag: "⚑", cluster: "✓" }
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

// --- small tools ---------------------------------------------------------------------------------------------------

function h(tag, attributes, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined) continue
    if (name.startsWith("aria-")) element.setAttribute(name, String(value))
    else if (value === false) continue
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value)
    else if (name === "html") element.innerHTML = value
    else element.setAttribute(name, value === true ? "" : value)
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== ""))
  return element
}

// The letter of a key. Under a layout without Latin letters (Korean, Greek, Cyrillic) it is the one that stands at its place.
const letter = (event) => {
  const place = /^Key([A-Z])$/.exec(event.code)
  return place && event.key.length === 1 && event.key > "\u007f" ? place[1].toLowerCase() : event.key.toLowerCase()
}

// crypto.randomUUID needs https beyond this machine; this does not.
const random = () => [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("")
const same = (a, b) => a.length === b.length && a.every((m, i) => m.role === b[i].role && m.content === b[i].content)
const number = (n) => n.toLocaleString(document.documentElement.lang || undefined)

class Card {
  constructor(root) {
    newest = this
    this.root = root
    this.session = random()
    this.seq = 0
    this.cards = new Map() // row → example as the server sent it
    this.line = [] // rows in the order they are shown: those behind, the one on the screen, those to come
    this.at = 0
    this.decided = new Map() // row → {kind, reasons}, of this page's life
    this.done = [] // {row, seq} in the order decided: what undo goes back to
    this.taken = new Map() // seq of an undo → the entry that was last here, which it should take back
    this.pending = [] // entries that the server has not acknowledged
    this.asks = new Map()
    this.drafts = new Map() // row → {messages, n, saved}
    this.drafted = 0
    this.diffs = new Map() // row → HTML of the difference that the reviewer's edit makes
    this.view = "rendered"
    this.mode = null // null | "reject" | "edit" | "lose"
    this.painted = null // {row, at}: what has been on the screen since when
    this.wide = { why: false }
    this.opened = new Set() // neighbours whose difference is open
    this.lastReason = null
    this.timers = []
    this.body = root.querySelector(".card")
    this.$ = (name) => root.querySelector(`[data-part="${name}"]`)
    this.onKey = (event) => this.key(event)
    this.onResize = () => this.measure()
    this.onVisible = () => document.visibilityState === "visible" && this.paint()
    document.addEventListener("keydown", this.onKey, true)
    document.addEventListener("visibilitychange", this.onVisible)
    addEventListener("resize", this.onResize)
    this.timers.push(setInterval(() => this.retry(), RETRY_MS), setInterval(() => this.saveDraft(), DRAFT_MS))
    this.sentAt = 0
    this.searched = false
  }

  leave() {
    this.saveDraft()
    document.removeEventListener("keydown", this.onKey, true)
    document.removeEventListener("visibilitychange", this.onVisible)
    removeEventListener("resize", this.onResize)
    this.timers.forEach(clearInterval)
    clearTimeout(this.seenTimer)
    this.observer?.disconnect()
  }

  t(key, values) {
    let text = this.words[key] ?? key
    for (const [name, value] of Object.entries(values || {})) text = text.replace(`{${name}}`, value)
    return text
  }

  // --- what the server says ------------------------------------------------------------------------------------------

  receive({ data, setStateValue }) {
    this.put = setStateValue
    if (!data) return
    const first = !this.data
    this.data = data
    this.words = data.words
    if (first) {
      this.build()
      this.adopt()
    }
    for (const card of Object.values(data.cards)) this.take(card)
    for (const [row, saved] of Object.entries(data.drafts)) this.draftSaved(Number(row), saved)
    const shown = this.acknowledge(data.answers)
    this.replies(data.replies)
    this.arrange(data)
    if (shown !== null) this.show(shown)
    this.render()
    if (first && this.pending.length) this.send()
    else if (this.missing().length) this.send()
  }

  take(card) {
    this.cards.set(card.row, card)
    if (card.draft && !this.drafts.has(card.row)) {
      this.drafts.set(card.row, { messages: card.draft, n: 0, saved: 0 })
      this.diffs.set(card.row, card.draft_html)
    }
  }

  acknowledge(answers) {
    let shown = null
    for (const answer of answers) {
      const entry = this.pending.find((e) => e.session === answer.session && e.seq === answer.seq)
      if (!entry) continue
      this.forget(entry)
      if (answer.error) {
        this.toast(this.t("refused", { error: answer.error }), { alert: true })
        if (entry.row !== null && this.decided.get(entry.row)?.seq === entry.seq) this.decided.delete(entry.row)
      } else if (entry.kind === "undo") {
        const undone = answer.undone
        const last = this.taken.get(entry.seq)
        // The server's last decision was another one (a second tab): what was opened here still stands.
        if (entry.session === this.session && last && last.row !== undone) this.decided.set(last.row, last)
        if (undone === null || undone === undefined) this.toast(this.t(answer.gone ? "undone_gone" : "nothing_to_undo"))
        else {
          this.decided.delete(undone)
          if (answer.rows) for (const row of answer.rows) this.decided.delete(row)
          if (entry.row !== undone) shown = undone
          if (entry.row === null) this.toast(this.t("undone", { what: this.verb(answer.was) }))
        }
      }
    }
    return shown
  }

  arrange({ deck, queue }) {
    if (this.queue !== queue.id) {
      // Who pressed Enter in the search box, and nothing since, wants to read what was found.
      if (this.searched) this.body.focus({ preventScroll: true })
      this.searched = false
      this.queue = queue.id
      // What was decided in the queue before may be what this one is about; what is still on its way is not asked again.
      this.decided = new Map(this.pending.filter((entry) => entry.kind !== "undo").map((entry) => [entry.row, entry]))
      this.line = [...deck]
      this.at = 0
      this.at = this.firstOpen()
      this.mode = null
      return
    }
    const current = this.line[this.at]
    const kept = this.line.slice(0, this.at + (current !== undefined ? 1 : 0)).filter((row) => this.decided.has(row) || row === current)
    const ahead = this.line.slice(kept.length).filter((row) => this.decided.has(row))
    const rest = deck.filter((row) => !kept.includes(row) && !ahead.includes(row) && !this.decided.has(row))
    this.line = [...kept, ...ahead, ...rest]
    this.at = current === undefined ? Math.min(this.at, this.line.length) : this.line.indexOf(current)
    if (current === undefined) this.at = this.firstOpen()
  }

  missing() {
    return this.line.filter((row) => !this.cards.has(row))
  }

  replies(replies) {
    for (const [id, reply] of Object.entries(replies)) {
      const ask = this.asks.get(id)
      if (!ask) continue
      this.asks.delete(id)
      ask.done(reply)
    }
  }

  // --- what goes to the server ---------------------------------------------------------------------------------------

  send() {
    this.sentAt = performance.now()
    this.put("wire", {
      n: (this.wire = (this.wire || 0) + 1),
      have: [...this.cards.keys()],
      log: this.pending,
      ask: [...this.asks.values()].map(({ done, ...ask }) => ask),
      drafts: [...this.drafts].filter(([, d]) => d.n > d.saved).map(([row, d]) => ({ row, content: this.cards.get(row).content, n: d.n, messages: d.messages })),
    })
    this.saved()
  }

  retry() {
    const waiting = this.pending.length || this.asks.size || this.missing().length
    if (waiting && performance.now() - this.sentAt > RETRY_MS - 200) this.send()
  }

  ask(kind, values, done) {
    const id = `${this.session}-${++this.drafted}`
    this.asks.set(id, { id, kind, ...values, done })
    this.send()
  }

  get store() {
    return this.data.store
  }

  keepPending(session) {
    const mine = this.pending.filter((entry) => entry.session === session)
    const name = `${this.store} ${session}`
    try {
      if (mine.length) localStorage.setItem(name, JSON.stringify(mine))
      else localStorage.removeItem(name)
    } catch {
      this.storageFull = true // memory still has them; the dot says so
    }
  }

  adopt() {
    for (const name of Object.keys(localStorage)) {
      if (!name.startsWith(`${this.store} `)) continue
      try {
        this.pending.push(...JSON.parse(localStorage.getItem(name)))
      } catch {
        localStorage.removeItem(name)
      }
    }
    for (const entry of this.pending) if (entry.row !== null && entry.kind !== "undo") this.decided.set(entry.row, entry)
  }

  forget(entry) {
    this.pending = this.pending.filter((other) => other !== entry)
    this.keepPending(entry.session)
  }

  write(entry) {
    const full = { session: this.session, seq: ++this.seq, reasons: [], messages: null, drop: null, ...entry }
    this.pending.push(full)
    this.keepPending(this.session)
    return full
  }

  // --- acts ----------------------------------------------------------------------------------------------------------

  get row() {
    return this.line[this.at]
  }

  get shown() {
    return this.cards.get(this.row)
  }

  seen() {
    return (
      this.shown && this.painted?.row === this.row && document.visibilityState === "visible" && performance.now() - this.painted.at >= DWELL_MS
    )
  }

  decide(kind, { reasons = [], messages = null, drop = null, keep = null } = {}) {
    if (!this.seen()) return
    const { row, id, content } = this.shown
    const entry = this.write({ kind, row, id, content, reasons, messages, drop, keep, shown_ms: Math.round(performance.now() - this.painted.at) })
    this.decided.set(row, entry)
    for (const other of drop || []) this.decided.set(other, entry)
    this.done.push(entry)
    this.mode = null
    if (["keep", "reject", "edit"].includes(kind)) this.drafts.delete(row)
    this.at = this.firstOpen()
    this.forgetOld()
    this.render()
    this.send()
    this.toast([this.verb(kind), reasons.map((r) => this.reason(r)).join(", ")].filter(Boolean).join(": "), { undo: true })
  }

  forgetOld() {
    for (const row of this.line.splice(0, Math.max(0, this.at - BEHIND))) {
      this.at -= 1
      this.cards.delete(row)
      this.diffs.delete(row)
    }
  }

  firstOpen() {
    for (let i = this.at; i < this.line.length; i++) if (!this.decided.has(this.line[i])) return i
    const before = this.line.findIndex((row) => !this.decided.has(row))
    return before < 0 ? this.line.length : before
  }

  undo() {
    const last = this.done.pop()
    this.mode = null
    const { seq } = this.write({ kind: "undo", row: last ? last.row : null, id: null, content: null, shown_ms: null })
    this.taken.set(seq, last)
    if (last) {
      for (const row of [last.row, ...(last.drop || [])]) this.decided.delete(row)
      if (last.kind === "edit") this.drafts.set(last.row, { messages: last.messages, n: 0, saved: 0 })
      this.show(last.row)
      this.render()
      this.toast(this.t("undone", { what: this.verb(last.kind) }))
    }
    this.send()
  }

  show(row) {
    if (!this.line.includes(row)) this.line.splice(Math.min(this.at, this.line.length), 0, row)
    this.at = this.line.indexOf(row)
  }

  move(by) {
    const to = this.at + by
    if (to < 0 || to >= this.line.length) return
    this.saveDraft()
    this.at = to
    this.mode = null
    this.render()
  }

  keep() {
    if (this.draft()) this.enter("lose")
    else this.decide("keep")
  }

  draft() {
    const draft = this.drafts.get(this.row)
    return draft && !same(draft.messages, this.shown.messages) ? draft : null
  }

  enter(mode) {
    if (mode !== "edit" && !this.seen()) return
    this.mode = mode
    this.render()
  }

  edit() {
    if (!this.seen()) return
    if (!this.drafts.has(this.row)) this.drafts.set(this.row, { messages: this.shown.messages.map((m) => ({ ...m })), n: 0, saved: 0 })
    this.mode = "edit"
    this.hush()
    this.render()
    const area = this.$("edit").querySelector("textarea[data-role=assistant]") || this.$("edit").querySelector("textarea")
    area.focus()
    area.setSelectionRange(0, 0)
  }

  saveEdit() {
    const messages = this.drafts.get(this.row)?.messages
    if (!messages) return
    if (messages.some((m) => !m.content.trim())) return this.toast(this.t("empty_turn"), { alert: true })
    if (same(messages, this.shown.messages)) this.decide("keep")
    else this.decide("edit", { messages })
    this.body.focus({ preventScroll: true })
  }

  leaveEdit() {
    this.saveDraft()
    this.mode = null
    if (!this.draft()) this.drafts.delete(this.row)
    else this.toast(this.t("draft_stays"))
    this.render()
    this.body.focus({ preventScroll: true })
  }

  discardDraft() {
    const n = ++this.drafted
    this.drafts.set(this.row, { messages: this.shown.messages, n, saved: n - 1 })
    this.diffs.delete(this.row)
    this.mode = null
    this.send()
    this.render()
  }

  saveDraft() {
    for (const draft of this.drafts.values()) if (draft.changed) {
      draft.changed = false
      draft.n = ++this.drafted
      this.unsent = true
    }
    if (this.unsent && this.put) {
      this.unsent = false
      this.send()
    }
  }

  draftSaved(row, { n, diff }) {
    const draft = this.drafts.get(row)
    if (draft && n >= draft.saved) draft.saved = n
    this.diffs.set(row, diff)
    if (this.mode === "edit" && row === this.row) this.$("draft").textContent = this.t("draft_saved")
  }

  bring() {
    if (this.shown && this.shown.fate === "kept") this.toast(this.t("not_dropped"))
    else this.keep()
  }

  cluster(keep = null) {
    const members = this.shown?.cluster || []
    if (members.length < 2) return
    const kept = keep ?? this.row
    this.decide("cluster", { keep: kept, drop: members.map((m) => m.row).filter((row) => row !== kept) })
  }

  // --- keys ----------------------------------------------------------------------------------------------------------

  key(event) {
    if (newest !== this) return
    const path = event.composedPath()
    const inside = path.includes(this.body)
    const name = letter(event)
    const help = this.$("help")
    if (help.open) {
      if (name === "?" || name === "escape") (event.preventDefault(), help.close())
      return
    }
    if (inside && this.mode === "edit") {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) (event.preventDefault(), event.stopPropagation(), this.saveEdit())
      else if (event.key === "Escape" && !event.isComposing) (event.preventDefault(), event.stopPropagation(), this.leaveEdit())
      if (path.some((node) => node.tagName === "TEXTAREA")) return
    }
    const searching = path.some((node) => node.classList?.contains("st-key-words"))
    this.searched = searching && event.key === "Enter"
    const typing = path.some((node) => ["INPUT", "TEXTAREA", "SELECT"].includes(node.tagName) || node.isContentEditable)
    const busy = path.some((node) => node.getAttribute && ["dialog", "listbox", "menu", "combobox"].includes(node.getAttribute("role")) && !this.root.contains(node))
    if (!typing && !busy && this.mode !== "edit" && this.scroll(event, path)) return
    if (typing || busy || event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return
    // Enter and Space on a button are that button's; arrows on a tab are the tabs'.
    const control = path.find((node) => node.tagName && (["BUTTON", "A", "SUMMARY"].includes(node.tagName) || node.getAttribute("role") === "tab"))
    if (control && (name === " " || name === "enter" || (name.startsWith("arrow") && control.getAttribute("role") === "tab"))) return
    if (this.mode === "reject" ? this.rejectKey(name) : this.mode === "lose" ? this.loseKey(name) : this.mode === "edit" ? false : this.plainKey(name)) {
      event.preventDefault()
      event.stopPropagation()
    }
  }

  // Up and down read on, wherever the focus is, unless it is on something that scrolls by itself.
  scroll(event, path) {
    const pane = this.$("reading")
    const page = pane.clientHeight * 0.9
    const by = { ArrowDown: 64, ArrowUp: -64, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key]
    if (!by || this.mode || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return false
    if (path.includes(this.$("side")) || path.includes(pane) || pane.scrollHeight <= pane.clientHeight) return false
    pane.scrollBy({ top: by })
    event.preventDefault()
    return true
  }

  plainKey(name) {
    const act = KEYS[name]
    if (!act) return false
    this.act(act)
    return true
  }

  act(act) {
    const acts = {
      keep: () => this.keep(), reject: () => this.enter("reject"), skip: () => this.decide("skip"), flag: () => this.decide("flag"),
      edit: () => this.edit(), undo: () => this.undo(), back: () => this.move(-1), next: () => this.move(1), bring: () => this.bring(),
      cluster: () => this.cluster(), view: () => this.look(VIEWS[(VIEWS.indexOf(this.view) + 1) % VIEWS.length]),
      why: () => this.unfold("why"), neighbours: () => this.unfold("neighbours"), search: () => this.search(), help: () => this.openHelp(),
    }
    acts[act]()
  }

  rejectKey(name) {
    if (/^[1-9]$/.test(name) && this.data.reasons[name]) this.reject(this.data.reasons[name])
    else if (name === "x") this.reject(this.lastReason)
    else if (name === "enter") this.reject(null)
    else if (name === "escape" || name === "backspace") this.enter(null)
    else if (name === "arrowdown" || name === "arrowup") this.walkMenu(name === "arrowdown" ? 1 : -1)
    else return KEYS[name] !== undefined // no other act while a reason is asked for
    return true
  }

  walkMenu(by) {
    const items = [...this.$("menu").querySelectorAll("[role=menuitem]")]
    const now = items.indexOf(this.root.activeElement)
    items[(now + by + items.length) % items.length]?.focus()
  }

  reject(reason) {
    if (reason) this.lastReason = reason
    this.decide("reject", { reasons: reason ? [reason] : [] })
  }

  loseKey(name) {
    if (name === "e") this.edit()
    else if (name === "enter") this.saveEdit()
    else if (name === "k") (this.discardDraft(), this.decide("keep"))
    else if (name === "escape") this.enter(null)
    else return KEYS[name] !== undefined
    return true
  }

  search() {
    const box = document.querySelector(".st-key-words input")
    if (box) (box.focus(), box.select())
  }

  unfold(part) {
    if (part === "why") this.wide.why = !this.wide.why
    this.side()
    const panel = this.$(part)
    panel.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" })
    panel.focus({ preventScroll: true })
  }

  openHelp() {
    this.$("help").showModal()
  }

  look(view) {
    this.view = view
    this.reading()
  }

  // --- the screen ----------------------------------------------------------------------------------------------------

  build() {
    const t = (key) => this.t(key)
    const button = (act, key, label, extra = {}) =>
      h("button", { type: "button", class: `act act-${act}`, "data-act": act, "aria-keyshortcuts": key, onclick: (event) => this.click(act, event), ...extra }, h("span", { class: "label" }, label), h("kbd", { "aria-hidden": "true" }, key))
    this.body.setAttribute("aria-label", t("example"))
    this.$("bar").setAttribute("aria-label", t("decisions"))
    this.$("bar").append(
      h("div", { class: "group decide" }, button("keep", "K", t("keep")), button("reject", "X", t("reject"), { "aria-haspopup": "menu" })),
      h("div", { class: "group later" }, button("skip", "Space", t("skip")), button("flag", "F", t("flag")), button("edit", "E", t("edit"))),
      h("div", { class: "group walk" }, button("undo", "U", t("undo")), button("back", "←", t("back")), button("next", "→", t("next")), button("help", "?", t("help"))),
    )
    this.$("tabs").setAttribute("aria-label", t("views"))
    this.$("tabs").append(
      ...VIEWS.map((view) =>
        h("button", { type: "button", role: "tab", id: `tab-${view}`, "data-view": view, "aria-controls": "panel", onclick: () => this.look(view), onkeydown: (event) => this.tabKey(event) }, t(`view_${view}`)),
      ),
      h("kbd", { class: "hint", "aria-hidden": "true" }, "V"),
    )
    this.$("side").setAttribute("aria-label", t("context"))
    for (const part of ["why", "neighbours", "cluster", "origin"]) this.$(part).setAttribute("aria-label", t(part))
    const keys = [
      ["K A", "keep"], ["X 1–9", "help_reject"], ["X X", "help_last"], ["X Enter", "help_plain"], ["Space", "skip"], ["F", "flag"], ["E", "help_edit"],
      ["Ctrl Enter", "help_save"], ["Esc", "help_cancel"], ["U ⌫", "help_undo"], ["← →", "help_walk"], ["↑ ↓", "help_scroll"], ["V", "help_view"], ["W", "why"],
      ["N", "neighbours"], ["D", "help_cluster"], ["B", "help_bring"], ["/", "help_search"], ["?", "help"],
    ]
    this.$("help").setAttribute("aria-label", t("help"))
    this.$("help").append(
      h("div", { class: "help-head" }, h("h2", {}, t("help")), h("button", { type: "button", class: "close", "aria-label": t("close"), onclick: () => this.$("help").close() }, "✕")),
      h("div", { class: "help-body" },
        h("section", {}, h("h3", {}, t("keys")), h("dl", { class: "keys" }, keys.map(([key, text]) => [h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, t(text))]))),
        h("section", {}, h("h3", {}, t("reasons")), h("ol", { class: "reasons-list" }, Object.values(this.data.reasons).map((reason) => h("li", {}, this.reason(reason)))),
          h("h3", {}, t("guidelines")), h("div", { class: "text", html: this.data.guidelines }))),
    )
    this.$("help").addEventListener("click", (event) => event.target === this.$("help") && this.$("help").close())
    this.measure()
    if ("ResizeObserver" in window) {
      this.observer = new ResizeObserver(() => this.measure())
      this.observer.observe(document.body)
    }
  }

  // A click leaves the focus on the button, where the next Space would press it again: give it back to the card. Who
  // pressed the button by its key (detail 0) goes on by keys, into the menu that it opened.
  click(act, event) {
    this.act(act)
    if (act === "edit" || act === "help") return
    if (event.detail > 0) this.body.focus({ preventScroll: true })
    else if (this.mode) this.walkMenu(1)
  }

  tabKey(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!by) return
    event.preventDefault()
    this.look(VIEWS[(VIEWS.indexOf(this.view) + by + VIEWS.length) % VIEWS.length])
    this.$("tabs").querySelector(`[data-view=${this.view}]`).focus()
  }

  measure() {
    const scroller = this.body.getRootNode().host?.closest("section, main") || document.documentElement
    const top = this.body.getBoundingClientRect().top + (scroller.scrollTop || 0)
    this.body.style.setProperty("--top", `${Math.max(0, Math.round(top))}px`)
  }

  reason(name) {
    const key = Object.keys(this.data.reasons).find((k) => this.data.reasons[k] === name)
    return key ? this.t(`reason_${key}`) : name
  }

  verb(kind) {
    return this.t({ keep: "kept_it", reject: "rejected_it", edit: "edited_it", skip: "skipped_it", flag: "flagged_it", cluster: "clustered_it" }[kind] || kind)
  }

  render() {
    const card = this.shown
    this.strip()
    this.body.classList.toggle("empty", !card)
    this.body.dataset.id = card ? card.id : ""
    this.body.dataset.row = card ? card.row : ""
    this.body.dataset.mode = this.mode || ""
    this.body.dataset.pending = this.pending.length
    this.$("empty").hidden = Boolean(card)
    if (!card) this.nothing()
    if (card && this.rendered !== card) {
      this.rendered = card
      this.opened.clear()
      if (this.view !== "raw") this.view = "rendered"
      this.$("reading").scrollTop = 0
      this.$("side").scrollTop = 0
      // In one column the page scrolls, not the text.
      if (this.body.getBoundingClientRect().top < 0) this.body.scrollIntoView({ block: "start" })
      this.side()
    }
    if (card) this.reading()
    this.menu()
    this.paint()
  }

  // What was drawn is on the screen after the next frame; from then on its time counts.
  paint() {
    const row = this.row
    if (this.painted?.row === row) return
    this.painted = null
    this.body.dataset.painted = this.body.dataset.seen = ""
    if (!this.shown) return
    requestAnimationFrame(() => {
      const channel = new MessageChannel()
      channel.port1.onmessage = () => {
        if (this.row !== row || !this.shown) return
        this.painted = { row, at: performance.now() }
        this.body.dataset.painted = this.shown.id
        clearTimeout(this.seenTimer)
        this.seenTimer = setTimeout(() => (this.body.dataset.seen = this.seen() ? this.shown.id : ""), DWELL_MS + 1)
      }
      channel.port2.postMessage(null)
    })
  }

  nothing() {
    const waiting = this.missing().length > 0 || (!this.data.end && this.line.length > 0)
    const empty = this.$("empty")
    empty.dataset.state = waiting ? "waiting" : "end"
    empty.replaceChildren(
      waiting ? h("p", {}, this.t("coming")) : h("div", {}, h("h2", {}, this.t(this.data.done ? "finished" : "empty_queue")), h("p", {}, this.data.held ? this.t("held", { count: number(this.data.held) }) : this.t("finished_hint"))),
    )
  }

  strip() {
    const { pace, queue, reviewer } = this.data
    const done = h("span", { class: "count" }, h("b", {}, number(pace.done)), " ", this.t("done_of", { goal: number(pace.goal) }))
    const parts = [
      h("span", { class: "queue-name" }, queue.title),
      h("span", { class: "sentence", title: queue.sentence }, queue.sentence),
      h("span", { class: "space" }),
      done,
      pace.per_hour ? h("span", {}, this.t("per_hour", { rate: number(Math.round(pace.per_hour)) })) : null,
      pace.left ? h("span", {}, this.t("time_left", { time: pace.left })) : null,
      h("span", { class: "saved", "data-part": "saved", role: "status" }),
      h("span", { class: "who" }, reviewer),
    ]
    this.$("strip").replaceChildren(...parts.filter(Boolean))
    this.$("progress").style.setProperty("--done", pace.goal ? Math.min(1, pace.done / pace.goal) : 0)
    this.saved()
  }

  saved() {
    const dot = this.$("saved")
    if (!dot) return
    const n = this.pending.length
    const late = n > 0 && this.sentAt && performance.now() - (this.waitingSince ?? this.sentAt) > RETRY_MS
    this.waitingSince = n ? (this.waitingSince ?? performance.now()) : null
    const state = n === 0 ? "all" : late ? "late" : "some"
    dot.dataset.state = state
    dot.replaceChildren(h("i", { class: "dot", "aria-hidden": "true" }), h("span", {}, this.t(`saved_${state}`, { count: n })))
    this.body.dataset.pending = n
  }

  meta() {
    const card = this.shown
    const decided = this.decided.get(this.row)
    const facts = [card.source, card.group && card.group !== card.source ? card.group : null, card.language, this.t("size", { prompt: number(card.prompt_chars), response: number(card.response_chars) }), card.turns > 2 ? this.t("turns", { count: card.turns }) : null]
    const badge = decided
      ? h("span", { class: `badge ${decided.kind}` }, `${MARKS[decided.kind]} ${this.verb(decided.kind)}`)
      : card.decision ? h("span", { class: `badge ${card.decision}` }, `${MARKS[card.decision]} ${this.t("before", { what: this.verb(card.decision) })}`) : null
    const fate = card.fate !== "kept" ? h("span", { class: "badge dropped" }, this.t("dropped_by", { rule: card.rule || this.t(card.fate) })) : null
    this.$("meta").replaceChildren(
      ...[badge, fate, h("span", { class: "facts" }, facts.filter(Boolean).join(" · ")),
        this.draft() && this.mode !== "edit" ? h("span", { class: "badge draft" }, this.t("draft"), h("button", { type: "button", class: "link", onclick: () => this.discardDraft() }, this.t("discard"))) : null].filter(Boolean),
    )
  }

  reading() {
    const card = this.shown
    if (!card) return
    this.meta()
    const editing = this.mode === "edit"
    this.$("tabs").hidden = editing
    this.$("panel").hidden = editing
    this.$("edit").hidden = !editing
    if (editing) return this.editor()
    this.$("edit").replaceChildren()
    this.edited = null
    for (const tab of this.$("tabs").querySelectorAll("[role=tab]")) {
      const on = tab.dataset.view === this.view
      tab.setAttribute("aria-selected", on)
      tab.tabIndex = on ? 0 : -1
    }
    const changed = this.$("tabs").querySelector("[data-view=cleaned]")
    changed.dataset.count = card.cleaned.edits.length || ""
    this.$("tabs").querySelector("[data-view=mine]").dataset.count = this.draft() || this.decided.get(this.row)?.messages ? "•" : ""
    const panel = this.$("panel")
    panel.setAttribute("aria-labelledby", `tab-${this.view}`)
    const key = `${card.row} ${this.view} ${card.html.length} ${this.diffs.get(card.row)?.length}`
    if (this.drawn === key) return
    this.drawn = key
    if (this.view === "rendered") {
      panel.innerHTML = card.html
      if (card.cut) panel.append(h("button", { type: "button", class: "more", onclick: () => this.all(card) }, this.t("show_all")))
    } else if (this.view === "raw") {
      panel.replaceChildren(...card.messages.map((m) => h("section", { class: `turn turn-${m.role}` }, h("h3", { class: "role" }, this.t(`role_${m.role}`)), h("pre", { class: "raw", dir: "auto", tabindex: "0" }, m.content))))
    } else if (this.view === "cleaned") {
      const names = card.cleaned.edits.map((edit) => h("li", {}, edit))
      panel.replaceChildren(...(card.cleaned.html ? [h("ul", { class: "edits", "aria-label": this.t("edits") }, names), h("div", { html: card.cleaned.html })] : [h("p", { class: "quiet" }, this.t("clean_already"))]))
    } else {
      const diff = this.diffs.get(card.row)
      panel.replaceChildren(diff ? h("div", { html: diff }) : h("p", { class: "quiet" }, this.t("no_edit")))
    }
  }

  all(card) {
    this.ask("all", { row: card.row }, (reply) => {
      card.html = reply.html
      card.cut = false
      this.reading()
    })
  }

  editor() {
    if (this.edited === this.row) return
    this.edited = this.row
    const draft = this.drafts.get(this.row)
    const grow = (area) => {
      area.style.height = "auto"
      area.style.height = `${area.scrollHeight + 2}px`
    }
    const areas = draft.messages.map((message, i) =>
      h("label", { class: `turn turn-${message.role}` }, h("span", { class: "role" }, this.t(`role_${message.role}`)),
        h("textarea", { "data-role": message.role, dir: "auto", rows: 3, spellcheck: "true", oninput: (event) => {
          draft.messages[i].content = event.target.value
          draft.changed = true
          this.$("draft").textContent = ""
          grow(event.target)
        } })),
    )
    this.$("edit").replaceChildren(
      ...areas,
      h("div", { class: "edit-foot" },
        h("button", { type: "button", class: "act act-keep", onclick: () => this.saveEdit() }, h("span", { class: "label" }, this.t("save_and_keep")), h("kbd", {}, "Ctrl Enter")),
        h("button", { type: "button", class: "act", onclick: () => this.leaveEdit() }, h("span", { class: "label" }, this.t("cancel")), h("kbd", {}, "Esc")),
        h("span", { class: "quiet", "data-part": "draft", role: "status" })),
    )
    this.$("edit").querySelectorAll("textarea").forEach((area, i) => {
      area.value = draft.messages[i].content
      grow(area)
    })
  }

  menu() {
    const menu = this.$("menu")
    menu.hidden = !(this.mode === "reject" || this.mode === "lose")
    for (const button of this.$("bar").querySelectorAll("[data-act]")) {
      const act = button.dataset.act
      const idle = (!this.shown && !["undo", "help", "back"].includes(act)) || (act === "back" && this.at === 0) || (act === "next" && this.at >= this.line.length - 1)
      button.setAttribute("aria-disabled", idle)
      if (act === "reject") button.setAttribute("aria-expanded", this.mode === "reject")
      if (act === "keep") {
        const dropped = this.shown && this.shown.fate !== "kept"
        button.querySelector(".label").textContent = this.t(dropped ? "bring" : "keep")
        button.querySelector("kbd").textContent = dropped ? "B" : "K"
        button.setAttribute("aria-keyshortcuts", dropped ? "B K" : "K")
      }
    }
    if (menu.hidden) return menu.replaceChildren()
    const item = (key, text, act, extra = "") => h("button", { type: "button", role: "menuitem", class: `item ${extra}`, onclick: () => (act(), this.body.focus({ preventScroll: true })) }, h("kbd", {}, key), h("span", {}, text))
    if (this.mode === "reject") {
      menu.setAttribute("aria-label", this.t("why_reject"))
      menu.replaceChildren(
        h("p", { class: "menu-title" }, this.t("why_reject")),
        h("div", { class: "items" }, Object.entries(this.data.reasons).map(([key, name]) => item(key, this.reason(name), () => this.reject(name), name === this.lastReason ? "last" : ""))),
        h("div", { class: "items foot" }, this.lastReason ? item("X", this.t("again", { reason: this.reason(this.lastReason) }), () => this.reject(this.lastReason)) : null, item("Enter", this.t("no_reason"), () => this.reject(null)), item("Esc", this.t("cancel"), () => this.enter(null))),
      )
    } else {
      menu.setAttribute("aria-label", this.t("has_draft"))
      menu.replaceChildren(
        h("p", { class: "menu-title" }, this.t("has_draft")),
        h("div", { class: "items" }, item("Enter", this.t("save_and_keep"), () => this.saveEdit()), item("K", this.t("keep_original"), () => this.loseKey("k")), item("E", this.t("edit"), () => this.edit()), item("Esc", this.t("cancel"), () => this.enter(null))),
      )
    }
  }

  hush() {
    clearTimeout(this.toastTimer)
    this.$("toast").className = "toast"
  }

  toast(text, { undo = false, alert = false } = {}) {
    const toast = this.$("toast")
    clearTimeout(this.toastTimer)
    toast.className = `toast on${alert ? " alert" : ""}`
    toast.replaceChildren(h("span", {}, text), undo && this.shown ? h("span", { class: "unseen" }, this.shown.title) : "", undo ? h("button", { type: "button", onclick: () => (this.undo(), this.body.focus({ preventScroll: true })) }, this.t("undo"), h("kbd", { "aria-hidden": "true" }, "U")) : "")
    this.toastTimer = setTimeout(() => (toast.className = "toast"), TOAST_MS)
  }

  // --- beside the text -----------------------------------------------------------------------------------------------

  side() {
    const card = this.shown
    if (!card) return
    this.whyPanel(card)
    this.neighboursPanel(card)
    this.clusterPanel(card)
    this.originPanel(card)
  }

  panelHead(text, key, extra = null) {
    return h("h2", {}, h("span", {}, text), extra, key ? h("kbd", { "aria-hidden": "true" }, key) : null)
  }

  whyPanel(card) {
    const failed = card.why.filter((reason) => !reason.passed)
    const passed = card.why.filter((reason) => reason.passed)
    const near = this.wide.why ? passed : passed.slice(0, 3)
    const line = (reason) =>
      h("li", { class: reason.passed ? "passed" : "failed" },
        h("span", { class: "rule" }, reason.rule), h("span", { class: "figures" }, reason.figures || ""), h("span", { class: "margin" }, reason.room || ""),
        reason.sentence ? h("span", { class: "sentence" }, reason.sentence, reason.other ? h("q", {}, reason.other) : null) : null)
    this.$("why").replaceChildren(
      ...[this.panelHead(this.t("why"), "W"), card.because ? h("p", { class: "because" }, card.because) : null,
        h("ul", { class: "rules" }, failed.map(line), near.map(line)),
        passed.length > 3 ? h("button", { type: "button", class: "link", "aria-expanded": this.wide.why, onclick: () => ((this.wide.why = !this.wide.why), this.whyPanel(card)) }, this.wide.why ? this.t("fewer") : this.t("more_rules", { count: passed.length - 3 })) : null].filter(Boolean),
    )
  }

  neighboursPanel(card) {
    const groups = ["test", "kept", "undecided", "dropped"]
    // The example was sent some decisions ago; what was decided here since counts.
    const groupOf = (neighbour) => {
      const kind = this.decided.get(neighbour.row)?.kind
      return kind === "keep" || kind === "edit" ? "kept" : kind === "reject" ? "dropped" : neighbour.group
    }
    const items = (group) => card.neighbours.filter((neighbour) => groupOf(neighbour) === group)
    this.$("neighbours").replaceChildren(
      this.panelHead(this.t("neighbours"), "N"),
      ...(card.neighbours.length === 0 ? [h("p", { class: "quiet" }, this.t(card.vector ? "no_neighbours" : "no_vectors"))] : []),
      ...groups.filter((group) => items(group).length).map((group) =>
        h("div", { class: `neighbour-group ${group}` }, h("h3", {}, this.t(`near_${group}`), h("span", { class: "n" }, items(group).length)),
          h("ul", {}, items(group).map((neighbour) => this.near(card, neighbour))))),
    )
  }

  near(card, neighbour) {
    const open = this.opened.has(neighbour.row)
    const place = h("div", { class: "near-diff", hidden: !open })
    const toggle = h("button", { type: "button", class: neighbour.far ? "near far" : "near", "aria-expanded": open, disabled: neighbour.row === null, title: neighbour.row === null ? null : this.t("compare"), onclick: () => {
      const now = toggle.getAttribute("aria-expanded") !== "true"
      toggle.setAttribute("aria-expanded", now)
      place.hidden = !now
      if (now) this.opened.add(neighbour.row)
      else return this.opened.delete(neighbour.row)
      if (!place.childNodes.length) this.compare(card, neighbour.row, place)
    } }, h("span", { class: "cosine" }, neighbour.figure), h("span", { class: "title", dir: "auto" }, neighbour.title), h("span", { class: "from" }, neighbour.source))
    if (open) this.compare(card, neighbour.row, place)
    return h("li", {}, toggle, place)
  }

  compare(card, other, place, then = () => {}) {
    card.diffs ??= {}
    const fill = (html) => (place.replaceChildren(h("div", { html })), then())
    if (card.diffs[other] !== undefined) return fill(card.diffs[other])
    place.replaceChildren(h("p", { class: "quiet" }, this.t("coming")))
    this.ask("diff", { row: card.row, other }, (reply) => fill((card.diffs[other] = reply.html)))
  }

  clusterPanel(card) {
    const panel = this.$("cluster")
    panel.hidden = card.cluster.length < 2
    if (panel.hidden) return panel.replaceChildren()
    const member = (one) => {
      const place = h("div", { class: "near-diff", hidden: true })
      const mine = one.row === card.row
      const keep = h("button", { type: "button", class: "small", disabled: !mine, title: mine ? null : this.t("compare_first"), onclick: () => (this.cluster(one.row), this.body.focus({ preventScroll: true })) }, this.t("keep_this"), mine ? h("kbd", { "aria-hidden": "true" }, "D") : null)
      const compare = mine ? h("span", { class: "this" }, this.t("this_one")) : h("button", { type: "button", class: "small", "aria-expanded": "false", onclick: () => {
        place.hidden = !place.hidden
        compare.setAttribute("aria-expanded", !place.hidden)
        if (!place.hidden) this.compare(card, one.row, place, () => (keep.disabled = false))
      } }, this.t("compare"))
      return h("li", { class: mine ? "mine" : "" }, h("span", { class: "title", dir: "auto" }, one.title), h("span", { class: "from" }, [one.source, one.kept ? this.t("kept") : null].filter(Boolean).join(" · ")), h("span", { class: "buttons" }, compare, keep), place)
    }
    panel.replaceChildren(this.panelHead(this.t("cluster"), null, h("span", { class: "n" }, card.cluster.length)), h("ul", {}, card.cluster.slice(0, 12).map(member)), card.cluster.length > 12 ? h("p", { class: "quiet" }, this.t("and_more", { count: card.cluster.length - 12 })) : "")
  }

  originPanel(card) {
    const link = card.url ? h("a", { href: card.url, target: "_blank", rel: "noopener noreferrer nofollow" }, card.url.replace(/^https?:\/\//, "")) : null
    const rows = [[this.t("origin_from"), link || card.key], [this.t("origin_licence"), card.license], [this.t("origin_votes"), card.score], [this.t("origin_quality"), card.quality], [this.t("origin_topic"), card.topic], [this.t("origin_id"), h("code", {}, card.id)]]
    this.$("origin").replaceChildren(this.panelHead(this.t("origin"), null), h("dl", {}, rows.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, typeof value === "number" ? number(value) : value)])))
  }
}
