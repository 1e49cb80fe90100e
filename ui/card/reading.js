// The example's text in its views, and the editor in their place.
import { h } from "./elements.js"
import { badge } from "./status.js"

const VIEWS = ["rendered", "since", "raw", "cleaned", "mine"]

// The views that an example has: what has changed since a decision only where one was taken on an earlier text.
const viewsOf = (card) => VIEWS.filter((view) => view !== "since" || card.since.length)

// The view that comes so many after this one.
export function after(card, view, by) {
  const views = viewsOf(card)
  return views[(views.indexOf(view) + by + views.length) % views.length]
}

// `look(view)` shows one, `step(by)` the one that comes so many later.
export function tabs(t, { look, step }) {
  const steps = { ArrowRight: 1, ArrowLeft: -1 }
  return VIEWS.map((view) =>
    h("button", { type: "button", role: "tab", id: `tab-${view}`, "data-view": view, "aria-controls": "panel", onclick: () => look(view),
      onkeydown: (event) => {
        if (!steps[event.key]) return
        event.preventDefault()
        step(steps[event.key])
        event.target.parentElement.querySelector("[aria-selected=true]").focus()
      } }, t(`view_${view}`)))
}

// Which tabs this example has, which is chosen, and on some how much is behind it.
export function markTabs(place, card, view, counts) {
  const views = viewsOf(card)
  for (const tab of place.querySelectorAll("[role=tab]")) {
    tab.hidden = !views.includes(tab.dataset.view)
    const on = tab.dataset.view === view
    tab.setAttribute("aria-selected", on)
    tab.tabIndex = on ? 0 : -1
    if (tab.dataset.view in counts) tab.dataset.count = counts[tab.dataset.view] || ""
  }
}

// A view as elements. `diff`: HTML of the reviewer's own changes; `all`: asks for the rest of a long text.
export function viewed(t, card, view, { diff, all }) {
  const quiet = (text) => [h("p", { class: "quiet" }, t(text))]
  if (view === "rendered") {
    const more = card.cut ? h("button", { type: "button", class: "more", onclick: all }, t("show_all")) : ""
    return [h("div", { html: card.html }), more]
  }
  if (view === "raw") {
    return card.messages.map(({ role, content }) =>
      h("section", { class: `turn turn-${role}` },
        h("h3", { class: "role" }, t(`role_${role}`)), h("pre", { class: "raw", dir: "auto", tabindex: "0" }, content)))
  }
  if (view === "cleaned") {
    const { edits, html } = card.cleaned
    if (!html) return quiet("clean_already")
    return [h("ul", { class: "edits", "aria-label": t("edits") }, edits.map((edit) => h("li", {}, edit))), h("div", { html })]
  }
  if (view === "since") return card.since.map((decision) => since(t, decision))
  return diff ? [h("div", { html: diff })] : quiet("no_edit")
}

// One decision on an earlier text, and what has become of that text since.
function since(t, { reviewer, decision, said, time, html }) {
  return h("section", { class: "since" },
    h("p", { class: "quiet" }, badge(decision, said), h("span", {}, `${reviewer} · ${time}`)),
    h("p", { class: "quiet" }, t(html ? "since_known" : "since_unknown")), html ? h("div", { html }) : null)
}

// The turns as fields. `typed` is called after each change, `save` and `leave` by the buttons.
export function editor(t, draft, { typed, save, leave }) {
  const fields = draft.messages.map((message, i) =>
    h("label", { class: `turn turn-${message.role}` }, h("span", { class: "role" }, t(`role_${message.role}`)),
      h("textarea", { "data-role": message.role, dir: "auto", rows: 3, spellcheck: "true", oninput: (event) => {
        draft.messages[i].content = event.target.value
        draft.changed = true
        typed()
        grow(event.target)
      } }, message.content)))
  const button = (extra, text, key, act) =>
    h("button", { type: "button", class: `act ${extra}`, onclick: act }, h("span", { class: "label" }, t(text)), h("kbd", {}, key))
  return [
    ...fields,
    h("div", { class: "edit-foot" }, button("act-keep", "save_and_keep", "Ctrl Enter", save), button("", "cancel", "Esc", leave),
      h("span", { class: "quiet", "data-part": "draft", role: "status" })),
  ]
}

// A field as high as its text; once it is on the page.
export function grow(area) {
  area.style.height = "auto"
  area.style.height = `${area.scrollHeight + 2}px`
}
