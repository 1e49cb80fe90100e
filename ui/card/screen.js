// The card on the screen: draws what the card's state says, and nothing else. What is pressed on it goes to `card.acts`.
import { h } from "./elements.js"
import { fillHelp } from "./help.js"
import { clusterPanel, neighboursPanel, originPanel, whyPanel } from "./panels.js"
import { after, editor, grow, markTabs, tabs, viewed } from "./reading.js"
import { meta, nothing, savedDot, strip } from "./status.js"
import { bar, draftMenu, reasonMenu, Toast, updateBar, walkMenu } from "./toolbar.js"

const PANELS = ["why", "neighbours", "cluster", "origin"]

export class Screen {
  constructor(root, card) {
    this.root = root
    this.card = card
    this.body = root.querySelector(".card")
    this.$ = (name) => root.querySelector(`[data-part="${name}"]`)
    this.toast = new Toast(this.$("toast"))
    this.view = "rendered"
    this.wide = false // every rule is shown
    this.opened = new Set() // neighbours whose difference is open
    this.turned = null // the example that the panels are of
    this.drawn = null // what the text panel shows
    this.edited = null // the row that the editor is of
  }

  // What stands there from the first data on.
  build() {
    const { t, data } = this.card
    this.body.setAttribute("aria-label", t("example"))
    for (const [part, text] of [["bar", "decisions"], ["tabs", "views"], ["side", "context"]]) this.$(part).setAttribute("aria-label", t(text))
    for (const part of PANELS) this.$(part).setAttribute("aria-label", t(part))
    this.$("bar").append(...bar(t, (name, event) => this.click(name, event)))
    this.$("tabs").append(...tabs(t, { look: (view) => this.look(view), step: (by) => this.step(by) }))
    this.$("tabs").append(h("kbd", { class: "hint", "aria-hidden": "true" }, "V"))
    fillHelp(this.$("help"), t, Object.values(data.reasons).map((name) => this.card.reason(name)), data.guidelines)
    this.measure()
  }

  // The card is as high as the window below its top.
  measure() {
    const scroller = this.body.getRootNode().host?.closest("section, main") || document.documentElement
    const top = this.body.getBoundingClientRect().top + (scroller.scrollTop || 0)
    this.body.style.setProperty("--top", `${Math.max(0, Math.round(top))}px`)
  }

  draw() {
    const { shown, acts, data, t } = this.card
    this.$("strip").replaceChildren(...strip(t, data))
    this.$("progress").style.setProperty("--done", data.pace.goal ? Math.min(1, data.pace.done / data.pace.goal) : 0)
    this.saved()
    this.body.classList.toggle("empty", !shown)
    Object.assign(this.body.dataset, { id: shown ? shown.id : "", row: shown ? shown.row : "", mode: acts.mode || "" })
    this.$("empty").hidden = Boolean(shown)
    if (!shown) this.nothing()
    else if (this.turned !== shown) this.turn()
    this.reading()
    this.menu()
  }

  // Another example than before.
  turn() {
    this.turned = this.card.shown
    this.opened.clear()
    if (this.view !== "raw") this.view = "rendered"
    this.$("reading").scrollTop = 0
    this.$("side").scrollTop = 0
    // In one column the page scrolls, not the text.
    if (this.body.getBoundingClientRect().top < 0) this.body.scrollIntoView({ block: "start" })
    this.beside()
  }

  saved() {
    const { outbox, t } = this.card
    const count = outbox.pending.length
    if (this.$("saved")) savedDot(this.$("saved"), t, outbox.state(), count)
    this.body.dataset.pending = count
  }

  nothing() {
    const { line, data, t } = this.card
    const waiting = this.card.missing().length > 0 || (!data.end && line.rows.length > 0)
    this.$("empty").dataset.state = waiting ? "waiting" : "end"
    this.$("empty").replaceChildren(nothing(t, waiting, data))
  }

  // --- the text ------------------------------------------------------------------------------------------------------

  look(view) {
    this.view = view
    this.reading()
  }

  // The view so many after this one.
  step(by) {
    if (this.card.shown) this.look(after(this.card.shown, this.view, by))
  }

  reading() {
    const { shown, acts, draft, line, drafts, t } = this.card
    if (!shown) return
    const editing = acts.mode === "edit"
    const decided = line.decided.get(shown.row)
    const discard = draft && !editing ? () => acts.discardDraft() : null
    this.$("meta").replaceChildren(...meta(t, shown, { decided, since: () => editing || this.look("since"), discard }))
    this.$("tabs").hidden = this.$("panel").hidden = editing
    this.$("edit").hidden = !editing
    if (editing) return this.editor(shown)
    this.$("edit").replaceChildren()
    this.edited = null
    const mine = draft || decided?.messages ? "•" : ""
    markTabs(this.$("tabs"), shown, this.view, { since: shown.since.length, cleaned: shown.cleaned.edits.length, mine })
    this.$("panel").setAttribute("aria-labelledby", `tab-${this.view}`)
    const diff = drafts.diffs.get(shown.row)
    const drawn = `${shown.row} ${this.view} ${shown.html.length} ${diff?.length}`
    if (this.drawn === drawn) return
    this.drawn = drawn
    this.$("panel").replaceChildren(...viewed(t, shown, this.view, { diff, all: () => this.all(shown) }))
  }

  // The rest of a long text.
  all(shown) {
    this.card.ask("all", { row: shown.row }, (reply) => {
      shown.html = reply.html
      shown.cut = false
      this.reading()
    })
  }

  editor({ row }) {
    if (this.edited === row) return
    this.edited = row
    const { drafts, acts, t } = this.card
    const typed = () => (this.$("draft").textContent = "")
    this.$("edit").replaceChildren(...editor(t, drafts.get(row), { typed, save: () => acts.saveEdit(), leave: () => acts.leaveEdit() }))
    this.$("edit").querySelectorAll("textarea").forEach(grow)
  }

  // Into the answer, at its start.
  write() {
    const area = this.$("edit").querySelector("textarea[data-role=assistant]") || this.$("edit").querySelector("textarea")
    area.focus()
    area.setSelectionRange(0, 0)
  }

  draftSaved() {
    this.$("draft").textContent = this.card.t("draft_saved")
  }

  // --- below it ------------------------------------------------------------------------------------------------------

  // Keys go on where the reading is.
  focus() {
    this.body.focus({ preventScroll: true })
  }

  // A click leaves the focus on the button, where the next Space would press it again: give it back to the card. Who
  // pressed the button by its key (detail 0) goes on by keys, into the menu that it opened.
  click(name, event) {
    this.card.acts.do(name)
    if (name === "edit" || name === "help") return
    if (event.detail > 0) this.focus()
    else if (this.card.acts.mode) this.walk(1)
  }

  walk(by) {
    walkMenu(this.$("menu"), this.root, by)
  }

  menu() {
    const { shown, acts, line, data, t } = this.card
    const { mode, lastReason } = acts
    const menu = this.$("menu")
    updateBar(this.$("bar"), t, { card: shown, line, mode })
    menu.hidden = !(mode === "reject" || mode === "lose")
    if (menu.hidden) return menu.replaceChildren()
    const choose = (name, argument) => {
      acts.do(name, argument)
      if (acts.mode !== "edit") this.focus()
    }
    if (mode === "lose") draftMenu(menu, t, { choose })
    else reasonMenu(menu, t, { reasons: data.reasons, last: lastReason, called: (name) => this.card.reason(name), choose })
  }

  // --- beside it -----------------------------------------------------------------------------------------------------

  beside() {
    const { shown, line, t } = this.card
    if (!shown) return
    const compare = (other, place, then) => this.compare(shown, other, place, then)
    const keepOne = (row) => (this.card.acts.cluster(row), this.focus())
    const alone = shown.cluster.length < 2
    this.why(shown)
    this.$("neighbours").replaceChildren(...neighboursPanel(t, shown, { decided: line.decided, opened: this.opened, compare }))
    this.$("cluster").hidden = alone
    this.$("cluster").replaceChildren(...(alone ? [] : clusterPanel(t, shown, { compare, keepOne })))
    this.$("origin").replaceChildren(...originPanel(t, shown))
  }

  why(shown) {
    const toggle = () => {
      this.wide = !this.wide
      this.why(shown)
    }
    this.$("why").replaceChildren(...whyPanel(this.card.t, shown, { wide: this.wide, toggle }))
  }

  unfold(part) {
    if (part === "why") this.wide = !this.wide
    this.beside()
    const panel = this.$(part)
    panel.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" })
    panel.focus({ preventScroll: true })
  }

  // The difference between two examples, put in its place.
  compare(shown, other, place, then = () => {}) {
    shown.diffs ??= {}
    const fill = (html) => (place.replaceChildren(h("div", { html })), then())
    if (shown.diffs[other] !== undefined) return fill(shown.diffs[other])
    place.replaceChildren(h("p", { class: "quiet" }, this.card.t("coming")))
    this.card.ask("diff", { row: shown.row, other }, (reply) => fill((shown.diffs[other] = reply.html)))
  }
}
