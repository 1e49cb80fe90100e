// Beside the text: why the example is here, what is near to it, its duplicates, where it is from. Each panel is made of the
// example and the words alone; what it changes in the card comes in as a function.
import { h, number } from "./elements.js"

const SHORT = 3 // rules that were passed, at first
const MEMBERS = 12

const head = (text, key, extra = null) => h("h2", {}, h("span", {}, text), extra, key ? h("kbd", { "aria-hidden": "true" }, key) : null)

// `wide`: with every rule that was passed; `toggle` changes that.
export function whyPanel(t, card, { wide, toggle }) {
  const failed = card.why.filter((reason) => !reason.passed)
  const passed = card.why.filter((reason) => reason.passed)
  const more = passed.length - SHORT
  const said = () => (wide ? t("fewer") : t("more_rules", { count: more }))
  return [
    head(t("why"), "W"),
    card.because ? h("p", { class: "because" }, card.because) : null,
    h("ul", { class: "rules" }, failed.map(rule), (wide ? passed : passed.slice(0, SHORT)).map(rule)),
    more > 0 ? h("button", { type: "button", class: "link", "aria-expanded": wide, onclick: toggle }, said()) : null,
  ].filter(Boolean)
}

function rule(reason) {
  return h("li", { class: reason.passed ? "passed" : "failed" },
    h("span", { class: "rule" }, reason.rule), h("span", { class: "figures" }, reason.figures || ""),
    h("span", { class: "margin" }, reason.room || ""),
    reason.sentence ? h("span", { class: "sentence" }, reason.sentence, reason.other ? h("q", {}, reason.other) : null) : null)
}

// `decided`: row → entry of this page; `opened`: rows whose difference is open; `compare(row, place)` shows one there.
export function neighboursPanel(t, card, { decided, opened, compare }) {
  // The example was sent some decisions ago; what was decided here since counts.
  const groupOf = (neighbour) => {
    const kind = decided.get(neighbour.row)?.kind
    return kind === "keep" || kind === "edit" ? "kept" : kind === "reject" ? "dropped" : neighbour.group
  }
  const groups = ["test", "kept", "undecided", "dropped"].map((group) => [group, card.neighbours.filter((neighbour) => groupOf(neighbour) === group)])
  return [
    head(t("neighbours"), "N"),
    card.neighbours.length ? "" : h("p", { class: "quiet" }, t(card.vector ? "no_neighbours" : "no_vectors")),
    ...groups.filter(([, found]) => found.length).map(([group, found]) =>
      h("div", { class: `neighbour-group ${group}` }, h("h3", {}, t(`near_${group}`), h("span", { class: "n" }, found.length)),
        h("ul", {}, found.map((neighbour) => near(t, neighbour, opened, compare))))),
  ]
}

function near(t, neighbour, opened, compare) {
  const { row } = neighbour
  const place = h("div", { class: "near-diff", hidden: !opened.has(row) })
  const toggle = () => {
    const open = place.hidden
    button.setAttribute("aria-expanded", open)
    place.hidden = !open
    if (!open) return opened.delete(row)
    opened.add(row)
    if (!place.childNodes.length) compare(row, place)
  }
  const how = { class: neighbour.far ? "near far" : "near", disabled: row === null, title: row === null ? null : t("compare") }
  const button = h("button", { type: "button", ...how, "aria-expanded": !place.hidden, onclick: toggle },
    h("span", { class: "cosine" }, neighbour.figure), h("span", { class: "title", dir: "auto" }, neighbour.title),
    h("span", { class: "from" }, neighbour.source))
  if (!place.hidden) compare(row, place)
  return h("li", {}, button, place)
}

// `keepOne(row)` keeps this one and drops the others; of one that was not compared yet its button is off.
export function clusterPanel(t, card, { compare, keepOne }) {
  const more = card.cluster.length - MEMBERS
  return [
    head(t("cluster"), null, h("span", { class: "n" }, card.cluster.length)),
    h("ul", {}, card.cluster.slice(0, MEMBERS).map((one) => member(t, one, one.row === card.row, compare, keepOne))),
    more > 0 ? h("p", { class: "quiet" }, t("and_more", { count: more })) : "",
  ]
}

function member(t, one, mine, compare, keepOne) {
  const place = h("div", { class: "near-diff", hidden: true })
  const seen = { disabled: !mine, title: mine ? null : t("compare_first") }
  const keep = h("button", { type: "button", class: "small", ...seen, onclick: () => keepOne(one.row) },
    t("keep_this"), mine ? h("kbd", { "aria-hidden": "true" }, "D") : null)
  const toggle = () => {
    place.hidden = !place.hidden
    other.setAttribute("aria-expanded", !place.hidden)
    if (!place.hidden) compare(one.row, place, () => (keep.disabled = false))
  }
  const other = mine
    ? h("span", { class: "this" }, t("this_one"))
    : h("button", { type: "button", class: "small", "aria-expanded": "false", onclick: toggle }, t("compare"))
  const from = [one.source, one.kept ? t("kept") : null].filter(Boolean).join(" · ")
  return h("li", { class: mine ? "mine" : "" },
    h("span", { class: "title", dir: "auto" }, one.title), h("span", { class: "from" }, from), h("span", { class: "buttons" }, other, keep), place)
}

export function originPanel(t, card) {
  const away = { href: card.url, target: "_blank", rel: "noopener noreferrer nofollow" }
  const link = card.url ? h("a", away, card.url.replace(/^https?:\/\//, "")) : null
  const rows = [
    [t("origin_from"), link || card.key], [t("origin_licence"), card.license], [t("origin_votes"), card.score],
    [t("origin_quality"), card.quality], [t("origin_topic"), card.topic], [t("origin_id"), h("code", {}, card.id)],
  ].filter(([, value]) => value !== null && value !== undefined && value !== "")
  const facts = rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, typeof value === "number" ? number(value) : value)])
  return [head(t("origin"), null), h("dl", {}, facts)]
}
