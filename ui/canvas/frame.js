// A page of ours in a frame that may do nothing: `sandbox` without any right, so no script, no form, no window, no way to the
// app around it. The policy is said inside it too, should the page ever be opened without the frame. Without the base a link
// to another place of the page would lead to the app.
const HEAD = `<base href="about:srcdoc"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">`;

export default function ({ data, parentElement }) {
  const frame = parentElement.querySelector("[data-part=frame]");
  frame.title = data.title;
  // What the page takes for the reader's theme is the theme of the app.
  const paper = getComputedStyle(frame).getPropertyValue("--st-background-color").trim();
  frame.style.colorScheme = dark(paper) ? "dark" : "light";
  if (frame.dataset.page !== data.page.length + data.title) {
    frame.dataset.page = data.page.length + data.title;
    // Both go after the doctype, or the page would be shown as those of 1998 were.
    frame.srcdoc = data.page.replace(/^\s*(<!doctype[^>]*>)?(\s*<html[^>]*>)?(\s*<head(\s[^>]*)?>)?/i, (start) => start + HEAD);
  }
}

function dark(color) {
  const hex = color.match(/^#(..)(..)(..)$/);
  const parts = hex ? hex.slice(1).map((part) => parseInt(part, 16)) : (color.match(/[\d.]+/g) || [255, 255, 255]).map(Number);
  return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2] < 128;
}
