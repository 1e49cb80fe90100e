// The dialog of keys, reasons and guidelines.
import { h } from "./elements.js"

const ROWS = [
  ["K A", "keep"], ["X 1–9", "help_reject"], ["X X", "help_last"], ["X Enter", "help_plain"], ["Space", "skip"], ["F", "flag"],
  ["E", "help_edit"], ["Ctrl Enter", "help_save"], ["Esc", "help_cancel"], ["U ⌫", "help_undo"], ["← →", "help_walk"],
  ["↑ ↓", "help_scroll"], ["V", "help_view"], ["W", "why"], ["N", "neighbours"], ["D", "help_cluster"], ["B", "help_bring"],
  ["/", "help_search"], ["?", "help"],
]

// `reasons` are their names as a reader sees them, in order; `guidelines` is HTML that ui/rendering.py made.
export function fillHelp(dialog, t, reasons, guidelines) {
  const close = () => dialog.close()
  const named = /^\s*<h[1-6]\b/.test(guidelines) // they say themselves what they are
  const top = [h("h2", {}, t("help")), h("button", { type: "button", class: "close", "aria-label": t("close"), onclick: close }, "✕")]
  const keys = ROWS.map(([key, text]) => [h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, t(text))])
  dialog.setAttribute("aria-label", t("help"))
  dialog.append(
    h("div", { class: "help-head" }, top),
    h("div", { class: "help-body" },
      h("section", {}, h("h3", {}, t("keys")), h("dl", { class: "keys" }, keys)),
      h("section", {}, h("h3", {}, t("reasons")), h("ol", { class: "reasons-list" }, reasons.map((reason) => h("li", {}, reason))),
        named ? null : h("h3", {}, t("guidelines")), h("div", { class: "text", html: guidelines }))),
  )
  dialog.addEventListener("click", (event) => event.target === dialog && close())
}
