// The pair on the screen, the keys, and the votes on their way to the server.
//
// The server gives a few pairs ahead; a vote shows the next one at once and is sent, with every event that the server has not
// acknowledged yet, until it does. Events wait in localStorage, so that neither a reload nor a server's death loses one.

const KEYS = { a: "first", 1: "first", b: "second", 2: "second", n: "neither", 0: "neither", " ": "neither" };
const RESEND = 3000;

class Desk {
  constructor(root) {
    this.root = root;
    this.at = (selector) => root.querySelector(selector);
    this.past = [];
    this.known = new Map();
    this.marks = new Set();
    this.shown = null;
    this.since = null;
    this.onKey = (event) => this.key(event);
    this.onSight = () => { if (document.visibilityState === "visible") this.since = performance.now(); };
    root.addEventListener("click", (event) => this.click(event));
  }

  // What the server knows now. Called again after each of its runs.
  update(data, send) {
    const isNew = this.data?.store !== data.store;
    this.data = data;
    this.send = (events) => send("events", events);
    if (isNew) {
      this.past = [];
      this.shown = null;
      this.pending = this.stored();
    }
    const acknowledged = new Set(data.acknowledged);
    this.keep(this.pending.filter((event) => !acknowledged.has(event.token)));
    this.known = new Map([...this.past, ...data.items, ...(data.before ? [data.before] : [])].map((one) => [one.id, one]));
    this.listen();
    this.paint();
    if (isNew && this.pending.length) this.deliver();
  }

  listen() {
    this.silence();
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("visibilitychange", this.onSight);
    this.timer = setInterval(() => { if (this.pending.length) this.deliver(); }, RESEND);
  }

  silence() {
    document.removeEventListener("keydown", this.onKey);
    document.removeEventListener("visibilitychange", this.onSight);
    clearInterval(this.timer);
  }

  // The open pairs as they are once the pending events have arrived, the next one first.
  open() {
    const open = new Map(this.data.items.map((item) => [item.id, item]));
    for (const event of this.pending) {
      if (event.act === "vote") open.delete(event.id);
      else if (this.known.has(event.id)) open.set(event.id, this.known.get(event.id));
    }
    return [...open.values()].sort((one, other) => one.at - other.at);
  }

  done() {
    return this.pending.reduce((done, event) => done + (event.act === "vote" ? 1 : -1), this.data.done);
  }

  vote(choice) {
    const item = this.shown;
    const shown_ms = Math.round(performance.now() - (this.since ?? Infinity));
    if (!item || this.data.is_closed || !(shown_ms >= this.data.dwell) || document.visibilityState !== "visible") return;
    const reasons = this.data.reasons.filter((reason) => this.marks.has(reason.name)).map((reason) => reason.name);
    this.past.push(item);
    this.known.set(item.id, item);
    this.push({ act: "vote", id: item.id, choice, reasons, both_bad: this.marks.has("both_bad"), shown_ms });
    const { words } = this.data;
    const [a, b] = item.chars.map((count) => count.toLocaleString(document.documentElement.lang || undefined));
    const [left, right] = [a, b].map((count, side) => `${"AB"[side]} ${count} ${words.characters}`);
    this.say(`${words.chose} ${words[choice]} · ${left} · ${right}`);
  }

  undo() {
    if (this.data.is_closed) return;
    const { before } = this.data;
    const isOnItsWay = before && this.pending.findLast((event) => event.id === before.id)?.act === "undo";
    const item = this.past.pop() ?? (isOnItsWay ? null : before);
    if (!item) return;
    this.known.set(item.id, item);
    this.push({ act: "undo", id: item.id });
    this.say(this.data.words.undone);
  }

  push(event) {
    const token = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.keep([...this.pending, { ...event, token }]);
    this.paint();
    this.deliver();
  }

  deliver() {
    this.send(this.pending);
  }

  keep(pending) {
    this.pending = pending;
    try {
      if (pending.length) localStorage.setItem(this.data.store, JSON.stringify(pending));
      else localStorage.removeItem(this.data.store);
    } catch {
      // A browser that keeps nothing: they live as long as this page.
    }
  }

  stored() {
    try {
      const found = JSON.parse(localStorage.getItem(this.data.store) ?? "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  say(text) {
    this.at(".last span").textContent = text;
  }

  mark(name) {
    if (!this.marks.delete(name)) this.marks.add(name);
    this.paintMarks();
  }

  key(event) {
    const typing = event.composedPath().some((one) => one.matches?.("input, textarea, select, [contenteditable=true]"));
    if (event.repeat || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing) return;
    // Under a layout without Latin letters (Korean, Greek, Cyrillic) the letter is the one that stands at the key's place.
    const place = event.key.length === 1 && event.key > "\u007f" && /^Key([A-Z])$/.exec(event.code);
    const key = place ? place[1].toLowerCase() : event.key.length === 1 ? event.key.toLowerCase() : event.key;
    // Space presses the button, or scrolls the text, that has the focus.
    const isTaken = event.composedPath().some((one) => one.matches?.("button, a, summary, [role=button], [tabindex='0']"));
    if (key === " " && isTaken) return;
    const reason = this.data.reasons.find((one) => one.key === key);
    if (key in KEYS) this.vote(KEYS[key]);
    else if (key === "u" || key === "Backspace") this.undo();
    else if (key === "x") this.mark("both_bad");
    else if (reason) this.mark(reason.name);
    else return;
    event.preventDefault();
  }

  click(event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.choice) this.vote(button.dataset.choice);
    else if (button.dataset.mark) this.mark(button.dataset.mark);
    else this.undo();
    // Keys go on to mean what they say: Space is no second press of this button.
    button.blur();
  }

  paint() {
    const { data } = this;
    const next = data.is_closed ? null : this.open()[0] ?? null;
    const done = this.done();
    this.at(".meter").setAttribute("aria-valuemax", data.total);
    this.at(".meter").setAttribute("aria-valuenow", done);
    this.at(".meter span").style.width = `${(100 * done) / Math.max(1, data.total)}%`;
    this.at(".count").textContent = `${done.toLocaleString()} / ${data.total.toLocaleString()}`;
    this.at(".pace").textContent = data.pace;
    this.at(".who").textContent = data.words.judging;
    this.at(".saved").textContent = this.pending.length ? data.words.saving : data.words.saved;
    this.at(".saved").dataset.state = data.error ? "error" : this.pending.length ? "saving" : "saved";
    this.at(".pair").hidden = this.at(".choices").hidden = this.at(".reasons").hidden = !next;
    const isOver = done >= data.total;
    const message = data.error || (data.is_closed ? data.words.closed : next ? data.note : isOver ? data.words.finished : data.words.waiting);
    this.at(".message").textContent = message;
    this.at(".message").hidden = !message;
    this.at(".message").dataset.kind = data.error ? "error" : next ? "note" : "end";
    this.at(".undo").textContent = `${data.words.undo} (U)`;
    this.at(".undo").disabled = data.is_closed || (!this.past.length && !data.before);
    if (next?.id !== this.shown?.id) this.show(next);
    this.paintMarks();
  }

  show(item) {
    const isFirst = this.shown === null;
    this.shown = item;
    this.since = null;
    this.marks.clear();
    this.root.dataset.id = item?.id ?? "";
    if (!item) return;
    const { words } = this.data;
    this.at(".question").textContent = words.question;
    this.fill(".request", item.request, words.request);
    this.fill('[data-side="first"] .answer', item.first, `${words.answer} A`);
    this.fill('[data-side="second"] .answer', item.second, `${words.answer} B`);
    if (!isFirst && this.root.getBoundingClientRect().top < 0) this.root.scrollIntoView({ block: "start" });
    // From the frame after the one in which it was painted: then it has been on the screen.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (this.shown === item) this.since = performance.now();
    }));
  }

  fill(selector, html, label) {
    const box = this.at(selector);
    // Made by `ui/rendering.py`, which lets no markup of a text through.
    box.innerHTML = html;
    box.scrollTop = 0;
    box.setAttribute("aria-label", label);
  }

  paintMarks() {
    const { words, reasons } = this.data;
    const marks = [...reasons, { key: "X", name: "both_bad", label: words.both_bad }];
    this.at(".reasons").replaceChildren(...marks.map(({ key, name, label }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.mark = name;
      button.setAttribute("aria-pressed", this.marks.has(name));
      button.append(label, Object.assign(document.createElement("kbd"), { textContent: key }));
      return button;
    }));
    this.at(".reasons").prepend(words.why);
    this.at(".reasons").setAttribute("aria-label", words.why);
    this.at(".choices").setAttribute("aria-label", words.question);
    for (const [choice, key] of [["first", "A"], ["neither", "N"], ["second", "B"]]) {
      const button = this.at(`[data-choice="${choice}"]`);
      button.replaceChildren(words[`choose_${choice}`], Object.assign(document.createElement("kbd"), { textContent: key }));
    }
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".pairwise");
  root.desk ??= new Desk(root);
  root.desk.update(data, setTriggerValue);
  return () => root.desk.silence();
}
