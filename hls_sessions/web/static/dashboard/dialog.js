// A dialog of the browser's own, which keeps the focus inside and closes by Escape.

import { html, useEffect, useRef } from "../vendor/htm/htm-preact.js";

export function Dialog({ title, onClose, children, wide = false }) {
  const element = useRef(null);
  useEffect(() => {
    element.current.showModal();
  }, []);
  // Only a press that begins and ends outside is meant: text is also chosen by dragging out of its field.
  const isOutside = ({ clientX, clientY }) => {
    const { left, right, top, bottom } = element.current.getBoundingClientRect();
    return clientX < left || clientX > right || clientY < top || clientY > bottom;
  };
  const begun = useRef(false);
  const pressed = (event) => { begun.current = event.target === element.current && isOutside(event); };
  const released = (event) => { if (begun.current && event.target === element.current && isOutside(event)) onClose(); };
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} onClose=${onClose} onPointerDown=${pressed} onClick=${released} aria-label=${title}>
    <header class="dialog-head"><h2>${title}</h2><button onClick=${() => element.current.close()} aria-label="Close">✕</button></header>
    ${children}
  </dialog>`;
}
