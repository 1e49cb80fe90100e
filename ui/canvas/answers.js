// What the server answers to the map, passed on to its canvas; nothing of it is seen. A component of its own: an answer of
// a few bytes must not carry the points with it.
export default function ({ data }) {
  const tell = () => document.dispatchEvent(new CustomEvent("lapidary-map-answer", { detail: data }));
  const again = ({ detail }) => { if (detail.name === data.name) tell(); };
  answers.forEach((old) => document.removeEventListener("lapidary-map-ready", old));
  answers.clear();
  answers.add(again);
  document.addEventListener("lapidary-map-ready", again);
  tell();
  return () => { document.removeEventListener("lapidary-map-ready", again); answers.delete(again); };
}

// One page shows one map: the listener of an earlier answer goes when the next comes.
const answers = new Set();
