// Below the text: the decisions as buttons, the menu that a decision may ask in, and the line that says what was done.
import { h } from "./elements.js"

const TOAST_MS = 8000

// The buttons in groups; `press(act, event)` is what each does.
export function bar(t, press) {
  const button = (act, key, label, extra = {}) =>
    h("button", { type: "button", class: `act act-${act}`, "data-act": act, "aria-keyshortcuts": key, onclick: (event) => press(act, event), ...extra },
      h("span", { class: "label" }, label), h("kbd", { "aria-hidden": "true" }, key))
  return [
    h("div", { class: "group decide" }, button("keep", "K", t("keep")), button("reject", "X", t("reject"), { "aria-haspopup": "menu" })),
    h("div", { class: "group later" }, button("skip", "Space", t("skip")), button("flag", "F", t("flag")), button("edit", "E", t("edit"))),
    h("div", { class: "group walk" },
      button("undo", "U", t("undo")), button("back", "←", t("back")), button("next", "→", t("next")), button("help", "?", t("help"))),
  ]
}

// What the buttons can do with this example, or with none.
export function updateBar(place, t, { card, line, mode }) {
  const dropped = card && card.fate !== "kept"
  for (const button of place.querySelectorAll("[data-act]")) {
    const act = button.dataset.act
    const idle = (!card && !["undo", "help", "back"].includes(act)) || (act === "back" && line.isFirst) || (act === "next" && line.isLast)
    button.setAttribute("aria-disabled", idle)
    if (act === "reject") button.setAttribute("aria-expanded", mode === "reject")
    if (act === "keep") {
      button.querySelector(".label").textContent = t(dropped ? "bring" : "keep")
      button.querySelector("kbd").textContent = dropped ? "B" : "K"
      button.setAttribute("aria-keyshortcuts", dropped ? "B K" : "K")
    }
  }
}

// Why is it rejected? `last` is the reason that was given last, `choose(act, argument)` what an item does.
export function reasonMenu(place, t, { reasons, last, called, choose }) {
  const item = items(choose)
  fill(place, t("why_reject"),
    h("div", { class: "items" }, Object.entries(reasons).map(([key, name]) => item(key, called(name), ["reason", name], name === last ? "last" : ""))),
    h("div", { class: "items foot" }, last ? item("X", t("again", { reason: called(last) }), ["again"]) : null,
      item("Enter", t("no_reason"), ["reason", null]), item("Esc", t("cancel"), ["leave"])))
}

// What is to become of the edit that a keep would lose?
export function draftMenu(place, t, { choose }) {
  const item = items(choose)
  fill(place, t("has_draft"),
    h("div", { class: "items" }, item("Enter", t("save_and_keep"), ["save"]), item("K", t("keep_original"), ["original"]),
      item("E", t("edit"), ["edit"]), item("Esc", t("cancel"), ["leave"])))
}

const items = (choose) => (key, text, act, extra = "") =>
  h("button", { type: "button", role: "menuitem", class: `item ${extra}`, onclick: () => choose(...act) }, h("kbd", {}, key), h("span", {}, text))

function fill(place, title, ...parts) {
  place.setAttribute("aria-label", title)
  place.replaceChildren(h("p", { class: "menu-title" }, title), ...parts)
}

// The focus to the item after or before the one that has it.
export function walkMenu(place, root, by) {
  const all = [...place.querySelectorAll("[role=menuitem]")]
  const now = all.indexOf(root.activeElement)
  all[(now + by + all.length) % all.length]?.focus()
}

export class Toast {
  constructor(place) {
    this.place = place
  }

  // `next` is read out after the text: what is on the screen now. `button`: [its text, its key, what it does].
  say(text, { alert = false, next = null, button = null } = {}) {
    clearTimeout(this.timer)
    this.place.className = `toast on${alert ? " alert" : ""}`
    this.place.replaceChildren(
      h("span", {}, text), next ? h("span", { class: "unseen" }, next) : "",
      button ? h("button", { type: "button", onclick: button[2] }, button[0], h("kbd", { "aria-hidden": "true" }, button[1])) : "")
    this.timer = setTimeout(() => this.hush(), TOAST_MS)
  }

  hush() {
    clearTimeout(this.timer)
    this.place.className = "toast"
  }
}
