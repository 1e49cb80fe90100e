// What a key means: whose it is where it was pressed, and which act of the card it asks for. All of it in one listener, which
// the page's other listeners come after.

const KEYS = {
  k: "keep", a: "keep", x: "reject", " ": "skip", f: "flag", e: "edit", u: "undo", backspace: "undo",
  arrowleft: "back", arrowright: "next", w: "why", n: "neighbours", v: "view", b: "bring", d: "cluster",
  "/": "search", "?": "help",
}

// The letter of a key. Under a layout without Latin letters (Korean, Greek, Cyrillic) it is the one that stands at its place.
function letter(event) {
  const place = /^Key([A-Z])$/.exec(event.code)
  return place && event.key.length === 1 && event.key > "\u007f" ? place[1].toLowerCase() : event.key.toLowerCase()
}

const isModified = (event) => event.ctrlKey || event.altKey || event.metaKey

// Whether the key was pressed where it belongs to something else on the page: a field, an open list, a menu beside the card.
function isTaken(path, root) {
  const typing = path.some((node) => ["INPUT", "TEXTAREA", "SELECT"].includes(node.tagName) || node.isContentEditable)
  const others = ["dialog", "listbox", "menu", "combobox"]
  return typing || path.some((node) => node.getAttribute && others.includes(node.getAttribute("role")) && !root.contains(node))
}

// Enter and Space on a button are that button's; arrows on a tab are the tabs'.
function isOfControl(path, name) {
  const isTab = (node) => node.getAttribute("role") === "tab"
  const control = path.find((node) => node.tagName && (["BUTTON", "A", "SUMMARY"].includes(node.tagName) || isTab(node)))
  return Boolean(control && (name === " " || name === "enter" || (name.startsWith("arrow") && isTab(control))))
}

// Up and down read on in `pane`, wherever the focus is, unless it is on something that scrolls by itself. Whether they did.
function readOn(event, path, pane, beside) {
  const page = pane.clientHeight * 0.9
  const by = { ArrowDown: 64, ArrowUp: -64, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key]
  if (!by || isModified(event) || event.shiftKey) return false
  if (path.includes(beside) || path.includes(pane) || pane.scrollHeight <= pane.clientHeight) return false
  pane.scrollBy({ top: by })
  return true
}

// The act that a key asks for, [name, argument], or null where it asks for none. `mode`: null, "reject" (a reason is asked
// for), "lose" (an edit would be lost) or "edit"; `reasons`: key → reason.
function wish(name, mode, reasons) {
  // While something is asked no other act is begun.
  const other = KEYS[name] === undefined ? null : ["nothing"]
  if (mode === "edit") return null
  if (mode === "reject") {
    if (/^[1-9]$/.test(name) && reasons[name]) return ["reason", reasons[name]]
    if (name === "x") return ["again"]
    if (name === "enter") return ["reason", null]
    if (name === "escape" || name === "backspace") return ["leave"]
    if (name === "arrowdown" || name === "arrowup") return ["walk", name === "arrowdown" ? 1 : -1]
    return other
  }
  if (mode === "lose") return { e: ["edit"], enter: ["save"], k: ["original"], escape: ["leave"] }[name] || other
  return KEYS[name] === undefined ? null : [KEYS[name]]
}

// A key was pressed anywhere on the page.
export function pressed(event, card) {
  const { root, body, $ } = card.screen
  const path = event.composedPath()
  const name = letter(event)
  const take = () => (event.preventDefault(), event.stopPropagation())
  if ($("help").open) {
    if (name === "?" || name === "escape") (event.preventDefault(), $("help").close())
    return
  }
  if (card.acts.mode === "edit" && path.includes(body)) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) (take(), card.acts.saveEdit())
    else if (event.key === "Escape" && !event.isComposing) (take(), card.acts.leaveEdit())
    if (path.some((node) => node.tagName === "TEXTAREA")) return
  }
  card.searched = event.key === "Enter" && path.some((node) => node.classList?.contains("st-key-words"))
  if (isTaken(path, root)) return
  if (!card.acts.mode && readOn(event, path, $("reading"), $("side"))) return event.preventDefault()
  if (event.repeat || isModified(event) || event.isComposing || isOfControl(path, name)) return
  const wished = wish(name, card.acts.mode, card.data.reasons)
  if (!wished) return
  take()
  card.acts.do(...wished)
}
