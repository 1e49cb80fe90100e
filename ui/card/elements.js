// Small tools that know nothing of the card.

// An element with attributes (on… are listeners, html is markup that ui/rendering.py made) and children; text is set as text.
export function h(tag, attributes, ...children) {
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

// A text of the interface with its places filled.
export function filled(words, key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place)
}

// crypto.randomUUID needs https beyond this machine; this does not.
export const random = () => [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("")

// Whether two conversations say the same.
export const same = (a, b) => a.length === b.length && a.every((m, i) => m.role === b[i].role && m.content === b[i].content)

export const number = (n) => n.toLocaleString(document.documentElement.lang || undefined)
