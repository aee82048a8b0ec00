// A dialog of the browser's own, which keeps the focus inside and closes by Escape.

import { html, useEffect, useRef } from "../vendor/htm/htm-preact.js";

export function Dialog({ title, onClose, children, wide = false }) {
  const element = useRef(null);
  useEffect(() => {
    element.current.showModal();
  }, []);
  const pressed = (event) => {
    if (event.target === element.current) onClose(); // outside of it
  };
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} onClose=${onClose} onClick=${pressed} aria-label=${title}>
    <header class="dialog-head"><h2>${title}</h2><button onClick=${() => element.current.close()} aria-label="Close">✕</button></header>
    ${children}
  </dialog>`;
}
