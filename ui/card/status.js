// Above the text: the queue and how far it is, what is saved, and in a line what the example is.
import { h, number } from "./elements.js"

const MARKS = { keep: "✓", edit: "✎", reject: "✕", skip: "↷", flag: "⚑", cluster: "✓" }
const DONE = { keep: "kept_it", reject: "rejected_it", edit: "edited_it", skip: "skipped_it", flag: "flagged_it", cluster: "clustered_it" }

// What was done, in a word.
export const verb = (t, kind) => t(DONE[kind] || kind)

// The strip's parts; the one named "saved" is for `savedDot`.
export function strip(t, { pace, queue, reviewer }) {
  return [
    h("span", { class: "queue-name" }, queue.title),
    h("span", { class: "sentence", title: queue.sentence }, queue.sentence),
    h("span", { class: "space" }),
    h("span", { class: "count" }, h("b", {}, number(pace.done)), " ", t("done_of", { goal: number(pace.goal) })),
    pace.per_hour ? h("span", {}, t("per_hour", { rate: number(Math.round(pace.per_hour)) })) : null,
    pace.left ? h("span", {}, t("time_left", { time: pace.left })) : null,
    h("span", { class: "saved", "data-part": "saved", role: "status" }),
    h("span", { class: "who" }, reviewer),
  ].filter(Boolean)
}

// `state` as the outbox has it, with the number of entries that wait.
export function savedDot(place, t, state, count) {
  place.dataset.state = state
  place.replaceChildren(h("i", { class: "dot", "aria-hidden": "true" }), h("span", {}, t(`saved_${state}`, { count })))
}

// What was decided, set off from the rest. `kind` is a decision, or what else is said of the example.
export const badge = (kind, text, ...more) => h("span", { class: `badge ${kind}` }, kind in MARKS ? `${MARKS[kind]} ${text}` : text, ...more)

// What the example is. `decided`: the entry of this page on it; `since` shows what has changed since an earlier decision;
// `discard` forgets its draft, null where it has none.
export function meta(t, card, { decided, since, discard }) {
  const facts = [
    card.source, card.group && card.group !== card.source ? card.group : null, card.language,
    t("size", { prompt: number(card.prompt_chars), response: number(card.response_chars) }),
    card.turns > 2 ? t("turns", { count: card.turns }) : null,
  ]
  const decision = decided
    ? badge(decided.kind, verb(t, decided.kind))
    : card.decision ? badge(card.decision, t("before", { what: verb(t, card.decision) })) : null
  const last = card.since.at(-1)
  return [
    decision,
    last ? h("button", { type: "button", class: "badge changed", onclick: since }, t("since_by", { who: last.reviewer, what: last.said })) : null,
    card.fate !== "kept" ? badge("dropped", t("dropped_by", { rule: card.rule || t(card.fate) })) : null,
    h("span", { class: "facts" }, facts.filter(Boolean).join(" · ")),
    discard ? badge("draft", t("draft"), h("button", { type: "button", class: "link", onclick: discard }, t("discard"))) : null,
  ].filter(Boolean)
}

// What stands where no example is: more is coming, or this is the end.
export function nothing(t, waiting, { done, held }) {
  if (waiting) return h("p", {}, t("coming"))
  return h("div", {}, h("h2", {}, t(done ? "finished" : "empty_queue")), h("p", {}, held ? t("held", { count: number(held) }) : t("finished_hint")))
}
