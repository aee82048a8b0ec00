// What the controls tell screen readers, where they do not keep to the rules of ARIA (media-chrome 4.19).

const MENUS = ["media-rendition-menu", "media-audio-track-menu", "media-captions-menu", "media-playback-rate-menu", "media-settings-menu"];

async function whenDefined(name, mend) {
  await customElements.whenDefined(name);
  for (const element of document.querySelectorAll(name)) mend(element);
}

export function mendRoles() {
  // Its state is that of a switch, and it calls itself a button.
  whenDefined("media-captions-button", (button) => button.setAttribute("role", "switch"));
  // A menu may hold no buttons, and the way back is one.
  for (const name of MENUS) {
    whenDefined(name, (menu) => menu.shadowRoot.querySelector("button[part~=back]")?.setAttribute("role", "menuitem"));
  }
}
