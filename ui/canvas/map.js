// The map: points on a canvas, coloured by what is chosen, with zoom, pan, a lasso, hover and click.
//
// It knows places and codes of the points and no text of theirs: what is hovered is asked of the server, and of a lasso
// only the polygon is sent. Answers come through the second, invisible component (answers.js) as events of the document.

const SIDE = 65535;
const MUTED = { light: [176, 172, 164], dark: [92, 95, 101] };
// Okabe and Ito's colours, light and dark twins: they can be told apart with every kind of colour vision.
const COLORS = {
  light: ["#0072b2", "#d55e00", "#009e73", "#b0528a", "#c48500", "#5b5ea6", "#8c564b", "#17889c"],
  dark: ["#56b4e9", "#f0833a", "#2fc79b", "#e59ac4", "#e9b93c", "#9b9fe8", "#c99a8d", "#5fd0e3"],
};
const MEANING = {
  keep: "#009e73", kept: "#009e73", edit: "#0072b2", reject: "#d55e00", flag: "#c48500", skip: "#b0528a",
  fault: "#8c564b", limit: "#d55e00", duplicate: "#c48500", leak: "#b0528a", place: "#0072b2",
};
const LIGHTER = {
  "#009e73": "#2fc79b", "#0072b2": "#56b4e9", "#d55e00": "#f0833a", "#c48500": "#e9b93c", "#b0528a": "#e59ac4", "#8c564b": "#c99a8d",
};
// The nearest points whose titles are asked for together, so that the next one hovered is known already.
const ASKED = 48;
const instances = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let map = instances.get(root);
  if (!map) instances.set(root, (map = create(root)));
  map.send = component;
  map.load(component.data);
  // A call that was overtaken is cleaned up while its element lives on.
  return () => { if (!root.isConnected) map.destroy(); };
}

function create(root) {
  const $ = (name) => root.querySelector(`[data-part=${name}]`);
  const canvas = $("canvas"), box = $("box"), tip = $("tip"), status = $("status"), legend = $("legend"), by = $("by");
  const context = canvas.getContext("2d");
  const layer = document.createElement("canvas");
  const titles = new Map();
  const abort = new AbortController();
  const on = (target, name, act, options) => target.addEventListener(name, act, { signal: abort.signal, ...options });
  let points = null, colors = [], view = { zoom: 1, x: 0.5, y: 0.5 }, mode = "move", drawn = [], pointers = new Map();
  let gesture = null, hovered = -1, waiting = 0, frame = 0, seq = 0, dark = false;
  let chosen = { by: "fate", hidden: [], polygon: [], topic: null, opened: -1 };
  let width = 0, height = 0, ratio = 1, drawnState = "";
  const map = { send: null, load, destroy };

  // ---- what comes in ----------------------------------------------------------------------------------------------

  function load(data) {
    if (!data || !data.length) return;
    const length = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
    // The same points come again with every answer, and when the theme has changed.
    if (points && points.version === head.version) { if (isDark() !== dark) recolor(); return; }
    const bytes = data.slice();
    let at = head.start;
    const take = (kind, count) => {
      const part = new kind(bytes.buffer, at, count);
      at += Math.ceil(part.byteLength / 4) * 4;
      return part;
    };
    const x = take(Uint16Array, head.n), y = take(Uint16Array, head.n);
    const codes = head.codes.map((code) => ({ ...code, of: take(Uint16Array, head.n) }));
    points = { ...head, x, y, codes };
    titles.clear();
    label();
    recolor();
    document.dispatchEvent(new CustomEvent("lapidary-map-ready", { detail: { name: points.name } }));
  }

  on(document, "lapidary-map-answer", ({ detail }) => {
    if (!points || detail.name !== points.name) return;
    for (const [index, title] of Object.entries(detail.titles)) titles.set(Number(index), title);
    if (hovered >= 0) tell(hovered);
    if (detail.seq < seq) return;
    seq = detail.seq;
    status.textContent = detail.status;
    status.dataset.count = detail.count;
    status.dataset.seq = detail.seq;
    const next = { by: detail.by, hidden: detail.hidden, polygon: detail.polygon, topic: detail.topic, opened: detail.opened };
    if (JSON.stringify(next) !== JSON.stringify(chosen)) {
      chosen = next;
      drawn = detail.polygon;
      recolor();
    }
  });

  // ---- words and colours ------------------------------------------------------------------------------------------

  function label() {
    const words = points.words;
    for (const [name, text] of Object.entries(words)) {
      for (const node of root.querySelectorAll(`[data-word=${name}]`)) node.textContent = text;
      for (const node of root.querySelectorAll(`[data-title=${name}]`)) { node.title = text; node.setAttribute("aria-label", text); }
    }
    canvas.setAttribute("aria-label", words.canvas);
    by.replaceChildren(...points.codes.map((code) => new Option(code.title, code.name)));
  }

  const isDark = () => luminance(getComputedStyle(canvas).getPropertyValue("--st-background-color") || "#fff") < 0.5;
  const code = () => points.codes.find((one) => one.name === chosen.by) || points.codes[0];

  function recolor() {
    if (!points) return;
    dark = isDark();
    const theme = dark ? "dark" : "light";
    const now = code();
    by.value = now.name;
    colors = now.values.map((value, index) => {
      if (value.muted) return MUTED[theme];
      const fixed = MEANING[value.key];
      if (fixed) return rgb(dark ? LIGHTER[fixed] : fixed);
      if (now.values.length <= COLORS[theme].length) return rgb(COLORS[theme][index]);
      return wheel(index, dark);
    });
    legend.replaceChildren(...now.values.map((value, index) => {
      const chip = document.createElement("button");
      const off = chosen.hidden.includes(value.key);
      chip.type = "button";
      chip.className = off ? "chip off" : "chip";
      chip.setAttribute("aria-pressed", String(!off));
      chip.dataset.key = value.key;
      chip.title = points.words.chip;
      const dot = document.createElement("i");
      dot.style.background = `rgb(${colors[index].join(",")})`;
      const name = document.createElement("span");
      name.textContent = value.title;
      const count = document.createElement("small");
      count.textContent = value.n.toLocaleString();
      chip.append(dot, name, count);
      chip.addEventListener("click", (event) => toggle(value.key, event.altKey || event.detail === 2));
      return chip;
    }));
    root.querySelectorAll("[data-mode]").forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.mode === mode)));
    paintSoon();
  }

  function toggle(key, only) {
    const keys = code().values.map((value) => value.key);
    const hidden = new Set(chosen.hidden);
    if (only) {
      const alone = keys.every((one) => one === key || hidden.has(one));
      keys.forEach((one) => (alone || one === key ? hidden.delete(one) : hidden.add(one)));
    } else if (!hidden.delete(key)) hidden.add(key);
    choose({ hidden: [...hidden] });
  }

  function choose(change) {
    chosen = { ...chosen, ...change };
    seq += 1;
    status.textContent = points.words.counting;
    if (change.by || change.hidden) recolor(); else paintSoon();
    map.send.setStateValue("choice", { seq, by: chosen.by, hidden: chosen.hidden, polygon: chosen.polygon, topic: chosen.topic });
  }

  // ---- places -----------------------------------------------------------------------------------------------------

  const pad = 14;
  const toScreen = (x, y) => [
    width / 2 + (x / SIDE - view.x) * (width - 2 * pad) * view.zoom,
    height / 2 + (view.y - y / SIDE) * (height - 2 * pad) * view.zoom,
  ];
  const toPlace = (a, b) => [
    ((a - width / 2) / ((width - 2 * pad) * view.zoom) + view.x) * SIDE,
    (view.y - (b - height / 2) / ((height - 2 * pad) * view.zoom)) * SIDE,
  ];

  function zoomAt(a, b, factor) {
    const [x, y] = toPlace(a, b);
    view.zoom = Math.min(200, Math.max(0.8, view.zoom * factor));
    const [u, v] = toPlace(a, b);
    view.x = clamp(view.x + (x - u) / SIDE);
    view.y = clamp(view.y + (y - v) / SIDE);
    paintSoon();
  }

  function nearest(a, b, most, reach) {
    // All points are looked at: 100,000 take a fraction of a millisecond.
    const of = code().of, shown = shownCodes();
    const sx = ((width - 2 * pad) * view.zoom) / SIDE, sy = ((height - 2 * pad) * view.zoom) / SIDE;
    const [x, y] = toPlace(a, b);
    const found = [];
    for (let i = 0; i < points.n; i += 1) {
      const dx = (points.x[i] - x) * sx, dy = (points.y[i] - y) * sy, far = dx * dx + dy * dy;
      if (far <= reach * reach && shown[of[i]]) found.push([far, i]);
    }
    return found.sort((one, other) => one[0] - other[0]).slice(0, most).map((one) => one[1]);
  }

  const shownCodes = () => code().values.map((value) => !chosen.hidden.includes(value.key));

  // ---- painting ---------------------------------------------------------------------------------------------------

  function paintSoon() { if (!frame) frame = requestAnimationFrame(paint); }

  function paint() {
    frame = 0;
    if (!points || !width) return;
    // The points change with the view and the colours; a lasso that grows and a ring that wanders are drawn over them.
    const state = JSON.stringify([points.version, view, chosen.by, chosen.hidden, chosen.topic, dark, canvas.width, canvas.height]);
    if (state !== drawnState) { drawnState = state; paintPoints(); }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(layer, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    names();
    outline();
    for (const [index, size] of [[chosen.opened, 8], [hovered, 6]]) if (index >= 0) ring(index, size);
    canvas.dataset.painted = String(points.n);
  }

  function paintPoints() {
    const w = (layer.width = canvas.width), h = (layer.height = canvas.height);
    const context = layer.getContext("2d");
    const of = code().of, shown = shownCodes(), values = code().values;
    const topics = points.codes.find((one) => one.name === "topic");
    const dim = chosen.topic !== null && topics ? topics.of : null;
    const wanted = dim ? topics.values.findIndex((value) => value.key === String(chosen.topic)) : -1;
    const kx = ((width - 2 * pad) * view.zoom * ratio) / SIDE, ky = ((height - 2 * pad) * view.zoom * ratio) / SIDE;
    const ox = (width / 2) * ratio - view.x * SIDE * kx, oy = (height / 2) * ratio + view.y * SIDE * ky;
    const radius = Math.min(6, Math.max(1, (points.n > 20000 ? 0.8 : points.n > 3000 ? 1.6 : 3.4) * Math.sqrt(Math.sqrt(view.zoom)))) * ratio;
    if (points.n <= 4000) discs(); else pixels();

    function discs() {
      for (const muted of [true, false]) for (let i = 0; i < points.n; i += 1) {
        const c = of[i];
        if (!shown[c] || Boolean(values[c].muted) !== muted) continue;
        const far = dim && dim[i] !== wanted;
        context.fillStyle = `rgba(${colors[c].join(",")},${far ? 0.12 : muted ? 0.75 : 0.88})`;
        context.beginPath();
        context.arc(ox + points.x[i] * kx, oy - points.y[i] * ky, radius, 0, 7);
        context.fill();
      }
    }

    function pixels() {
      const image = context.createImageData(w, h), cells = new Uint32Array(image.data.buffer);
      const full = colors.map(([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
      const pale = colors.map(([r, g, b]) => ((34 << 24) | (b << 16) | (g << 8) | r) >>> 0);
      const stamp = disc(radius, w);
      const edge = Math.ceil(radius) + 1;
      for (const muted of [true, false]) for (let i = 0; i < points.n; i += 1) {
        const c = of[i];
        if (!shown[c] || Boolean(values[c].muted) !== muted) continue;
        const a = (ox + points.x[i] * kx) | 0, b = (oy - points.y[i] * ky) | 0;
        if (a < edge || b < edge || a >= w - edge || b >= h - edge) continue;
        const color = dim && dim[i] !== wanted ? pale[c] : full[c], at = b * w + a;
        for (let k = 0; k < stamp.length; k += 1) cells[at + stamp[k]] = color;
      }
      context.putImageData(image, 0, 0);
    }
  }

  function ring(index, size) {
    const [a, b] = toScreen(points.x[index], points.y[index]);
    context.strokeStyle = dark ? "#fff" : "#111";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(a, b, size, 0, 7);
    context.stroke();
  }

  function names() {
    const taken = [];
    context.font = "600 12px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const one of points.labels) {
      const [a, b] = toScreen(one.x, one.y);
      const half = context.measureText(one.text).width / 2 + 4;
      if (a - half < 0 || a + half > width || b < 10 || b > height - 10) continue;
      if (taken.some((other) => Math.abs(other.a - a) < other.half + half && Math.abs(other.b - b) < 18)) continue;
      taken.push({ a, b, half });
      context.globalAlpha = 0.92;
      context.strokeStyle = dark ? "#17181a" : "#fdfcfa";
      context.lineWidth = 4;
      context.strokeText(one.text, a, b);
      context.fillStyle = dark ? "#e8e6e3" : "#1c1c1e";
      context.fillText(one.text, a, b);
      context.globalAlpha = 1;
    }
  }

  function outline() {
    if (drawn.length < 2) return;
    context.beginPath();
    drawn.forEach(([x, y], index) => context[index ? "lineTo" : "moveTo"](...toScreen(x, y)));
    context.closePath();
    context.fillStyle = dark ? "rgba(255,255,255,.07)" : "rgba(0,0,0,.05)";
    context.fill();
    context.strokeStyle = getComputedStyle(canvas).getPropertyValue("--st-primary-color") || "#2f7d5b";
    context.lineWidth = 2;
    context.setLineDash([6, 4]);
    context.stroke();
    context.setLineDash([]);
  }

  // ---- pointer and keys -------------------------------------------------------------------------------------------

  const spot = (event) => {
    const area = canvas.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  };

  on(canvas, "pointerdown", (event) => {
    if (!points || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, spot(event));
    hide();
    if (pointers.size === 2) { gesture = { kind: "pinch", last: spread() }; drawn = chosen.polygon; return; }
    const kind = mode === "lasso" || event.shiftKey ? "lasso" : "move";
    gesture = { kind, from: spot(event), last: spot(event), far: false };
    if (kind === "lasso") { gesture.before = drawn; drawn = [toPlace(...spot(event))]; }
  });

  on(canvas, "pointermove", (event) => {
    if (!points) return;
    const here = spot(event);
    if (!gesture) { if (event.pointerType !== "touch") hover(here); return; }
    if (!pointers.has(event.pointerId)) return;
    pointers.set(event.pointerId, here);
    if (gesture.kind === "pinch" && pointers.size === 2) {
      const now = spread();
      zoomAt(now.a, now.b, now.size / Math.max(gesture.last.size, 1));
      gesture.last = now;
      return;
    }
    if (Math.hypot(here[0] - gesture.from[0], here[1] - gesture.from[1]) > 4) gesture.far = true;
    if (gesture.kind === "move" && gesture.far) {
      view.x = clamp(view.x - (here[0] - gesture.last[0]) / ((width - 2 * pad) * view.zoom));
      view.y = clamp(view.y + (here[1] - gesture.last[1]) / ((height - 2 * pad) * view.zoom));
    } else if (gesture.kind === "lasso") drawn.push(toPlace(...here));
    gesture.last = here;
    paintSoon();
  });

  on(canvas, "pointerup", (event) => {
    pointers.delete(event.pointerId);
    const done = gesture;
    gesture = pointers.size ? gesture : null;
    if (!done || done.kind === "pinch") return;
    if (!done.far) {
      if (done.kind === "lasso") drawn = done.before;
      const [index] = nearest(...spot(event), 1, 10);
      if (index !== undefined) { chosen.opened = index; map.send.setTriggerValue("open", index); }
      paintSoon();
      return;
    }
    if (done.kind === "lasso") {
      const polygon = simplified(drawn.map(([x, y]) => [round(x), round(y)]), 60 / view.zoom, 160);
      drawn = polygon;
      choose({ polygon, topic: null });
    }
  });

  on(canvas, "pointercancel", (event) => { pointers.delete(event.pointerId); gesture = null; drawn = chosen.polygon; paintSoon(); });
  on(canvas, "pointerleave", () => { if (!gesture) hide(); });
  on(canvas, "wheel", (event) => {
    // The page scrolls over the map as elsewhere; with Ctrl, as a pinch on a touchpad says it, the map zooms, and so it does
    // once it has the focus.
    if (!event.ctrlKey && root.activeElement !== canvas && document.activeElement !== canvas) return;
    event.preventDefault();
    zoomAt(...spot(event), Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)));
  }, { passive: false });
  on(canvas, "dblclick", (event) => zoomAt(...spot(event), 2));

  on(canvas, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 0.12 / view.zoom;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[event.key]) { view.x = clamp(view.x + moves[event.key][0]); view.y = clamp(view.y + moves[event.key][1]); paintSoon(); }
    else if (event.key === "+" || event.key === "=") zoomAt(width / 2, height / 2, 1.4);
    else if (event.key === "-") zoomAt(width / 2, height / 2, 1 / 1.4);
    else if (event.key === "0") reset();
    else if (event.key === "Escape" && (chosen.polygon.length || chosen.topic !== null)) { drawn = []; choose({ polygon: [], topic: null }); }
    else if (event.key === "Enter") { const [index] = nearest(width / 2, height / 2, 1, width); if (index !== undefined) { chosen.opened = index; map.send.setTriggerValue("open", index); paintSoon(); } }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  on(root, "click", (event) => {
    const button = event.target.closest?.("[data-act],[data-mode]");
    if (!button || !points) return;
    if (button.dataset.mode) { mode = button.dataset.mode; canvas.dataset.mode = mode; recolor(); }
    else if (button.dataset.act === "in") zoomAt(width / 2, height / 2, 1.6);
    else if (button.dataset.act === "out") zoomAt(width / 2, height / 2, 1 / 1.6);
    else if (button.dataset.act === "all") reset();
    else if (button.dataset.act === "none") { drawn = []; choose({ polygon: [], topic: null }); }
  });
  on(by, "change", () => choose({ by: by.value, hidden: [] }));

  function reset() { view = { zoom: 1, x: 0.5, y: 0.5 }; paintSoon(); }

  function spread() {
    const [one, other] = [...pointers.values()];
    return { a: (one[0] + other[0]) / 2, b: (one[1] + other[1]) / 2, size: Math.hypot(one[0] - other[0], one[1] - other[1]) };
  }

  // ---- titles -----------------------------------------------------------------------------------------------------

  function hover(here) {
    const [index] = nearest(...here, 1, 9);
    if (index === undefined) { if (hovered >= 0) hide(); return; }
    if (index !== hovered) { hovered = index; paintSoon(); }
    canvas.style.cursor = "pointer";
    tell(index);
    if (titles.has(index)) return;
    clearTimeout(waiting);
    // A pointer that passes by asks nothing.
    waiting = setTimeout(() => {
      const wanted = nearest(...here, ASKED, 90).filter((one) => !titles.has(one));
      if (wanted.length) map.send.setTriggerValue("hover", wanted);
    }, 70);
  }

  function tell(index) {
    const known = titles.get(index);
    const [a, b] = toScreen(points.x[index], points.y[index]);
    tip.hidden = false;
    tip.textContent = known ? known[0] : "…";
    if (known) { const small = document.createElement("small"); small.textContent = known[1]; tip.append(small); }
    tip.style.left = `${Math.min(Math.max(a - 140, 4), Math.max(width - 290, 4))}px`;
    tip.style.top = b > height - 110 ? "" : `${b + 14}px`;
    tip.style.bottom = b > height - 110 ? `${height - b + 14}px` : "";
  }

  function hide() { hovered = -1; tip.hidden = true; canvas.style.cursor = ""; clearTimeout(waiting); paintSoon(); }

  // ---- size and end -----------------------------------------------------------------------------------------------

  const sizes = new ResizeObserver(() => {
    ratio = Math.min(window.devicePixelRatio || 1, 2);
    width = box.clientWidth;
    height = box.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    if (points) paint();
  });
  sizes.observe(box);

  function destroy() { sizes.disconnect(); abort.abort(); clearTimeout(waiting); cancelAnimationFrame(frame); instances.delete(root); }

  return map;
}

// ---- small geometry and colour --------------------------------------------------------------------------------------

const clamp = (value) => Math.min(1.2, Math.max(-0.2, value));
const round = (value) => Math.min(SIDE, Math.max(0, Math.round(value)));

// The offsets of a disc's pixels in an image of this width.
function disc(radius, width) {
  const edge = Math.ceil(radius), found = [];
  for (let b = -edge; b <= edge; b += 1) for (let a = -edge; a <= edge; a += 1) {
    if (a * a + b * b <= radius * radius) found.push(b * width + a);
  }
  return found;
}

// Ramer, Douglas and Peucker: the corners further than `reach` from the line of their neighbours; wider until few enough.
function simplified(line, reach, most) {
  const keep = new Uint8Array(line.length);
  keep[0] = keep[line.length - 1] = 1;
  const spans = [[0, line.length - 1]];
  while (spans.length) {
    const [from, to] = spans.pop();
    let far = 0, at = -1;
    const [x1, y1] = line[from], [x2, y2] = line[to], long = Math.hypot(x2 - x1, y2 - y1) || 1;
    for (let i = from + 1; i < to; i += 1) {
      const off = x1 === x2 && y1 === y2
        ? Math.hypot(line[i][0] - x1, line[i][1] - y1)
        : Math.abs((x2 - x1) * (y1 - line[i][1]) - (x1 - line[i][0]) * (y2 - y1)) / long;
      if (off > far) { far = off; at = i; }
    }
    if (far > reach) { keep[at] = 1; spans.push([from, at], [at, to]); }
  }
  const found = line.filter((_, index) => keep[index]);
  return found.length > most ? simplified(line, reach * 1.6, most) : found;
}

function rgb(text) { return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)); }

function luminance(text) {
  const parts = text.trim().startsWith("#") ? rgb(text.trim().length === 4 ? text.trim().replace(/[^#]/g, "$&$&") : text.trim()) : (text.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
  return (0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2]) / 255;
}

// Many colours that neighbours in number do not share: steps of the golden angle, two lightnesses.
function wheel(index, dark) {
  const hue = (index * 137.508) % 360, light = dark ? [0.66, 0.76][index % 2] : [0.42, 0.54][index % 2], strong = 0.6;
  const part = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (light - strong * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}
