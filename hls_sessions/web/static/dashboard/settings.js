// The settings that can change while the daemon runs, with their meaning.

import { html, useEffect, useState } from "../vendor/htm/htm-preact.js";
import { get, patch } from "./api.js";
import { Dialog } from "./dialog.js";
import { toast } from "./toast.js";

const CHOICES = { when_full: ["reject", "evict"] };

function Field({ name, value, meaning, onChange }) {
  const id = `setting-${name}`;
  const field = () => {
    if (typeof value === "boolean") return html`<input id=${id} type="checkbox" checked=${value} onChange=${(event) => onChange(name, event.target.checked)} />`;
    if (CHOICES[name]) {
      return html`<select id=${id} value=${value} onChange=${(event) => onChange(name, event.target.value)}>${CHOICES[name].map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select>`;
    }
    return html`<input id=${id} type="number" step="any" value=${value ?? ""} placeholder="none" onInput=${(event) => onChange(name, event.target.value === "" ? null : Number(event.target.value))} />`;
  };
  return html`<div class="setting"><label for=${id}><code>${name}</code></label>${field()}<p class="soft">${meaning.replaceAll("\`\`", "")}</p></div>`;
}

export function Settings({ onClose }) {
  const [known, setKnown] = useState(null);
  const [changes, setChanges] = useState({});
  const [problem, setProblem] = useState("");
  useEffect(() => {
    get("settings").then(setKnown, (refusal) => setProblem(refusal.message));
  }, []);

  async function save(event) {
    event.preventDefault();
    try {
      const before = known.settings;
      const after = await patch("settings", changes);
      const names = Object.keys(changes);
      const old = Object.fromEntries(names.map((name) => [name, before[name]]));
      setKnown(after);
      setChanges({});
      setProblem("");
      toast(`Changed ${names.join(", ")}`, { undo: () => patch("settings", old).then(setKnown, () => {}) });
    } catch (refusal) {
      setProblem(refusal.message);
    }
  }

  const change = (name, value) => setChanges((before) => ({ ...before, [name]: value }));
  const fixed = known ? Object.keys(known.settings).filter((name) => !known.changeable.includes(name)) : [];
  return html`<${Dialog} title="Settings" onClose=${onClose} wide>
    <p class="soft">These hold until the daemon ends, or reads its settings file again. Times are seconds, sizes are bytes.</p>
    ${known && html`<form onSubmit=${save}>
      <div class="settings">${known.changeable.map((name) => html`<${Field} key=${name} name=${name} meaning=${known.meanings[name]}
        value=${name in changes ? changes[name] : known.settings[name]} onChange=${change} />`)}</div>
      <p class="error" role="alert">${problem}</p>
      <p class="buttons"><button class="primary" disabled=${!Object.keys(changes).length}>Save</button></p>
    </form>
    <details><summary>Settings that hold from the start on</summary><dl>${fixed.map((name) => html`<dt key=${name}><code>${name}</code></dt><dd title=${known.meanings[name]}>${JSON.stringify(known.settings[name])}</dd>`)}</dl></details>`}
  <//>`;
}
