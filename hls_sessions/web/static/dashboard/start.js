// Choose a film under the media roots, and start it.

import { html, useEffect, useState } from "../vendor/htm/htm-preact.js";
import { get, post } from "./api.js";
import { Dialog } from "./dialog.js";
import { bytes } from "../format.js";
import { Icon } from "./icons.js";
import { lookSoon } from "./store.js";
import { toast } from "./toast.js";

const PAUSE = 250; // milliseconds after the last key

function File({ file, onStart, isBusy }) {
  const [hasPoster, setPoster] = useState(true);
  return html`<li><button class="file" disabled=${isBusy} onClick=${() => onStart(file)} title=${file.path}>
    <span class="poster">${hasPoster ? html`<img loading="lazy" alt="" src=${`media/poster?media=${encodeURIComponent(file.path)}`} onError=${() => setPoster(false)} />` : html`<span class="no-poster" aria-hidden="true">♪</span>`}</span>
    <span class="name">${file.name}</span><span class="soft">${bytes(file.size)}</span>
  </button></li>`;
}

export function Start({ onClose }) {
  const [listing, setListing] = useState(null);
  const [folder, setFolder] = useState("");
  const [search, setSearch] = useState("");
  const [user, setUser] = useState("");
  const [problem, setProblem] = useState("");
  const [started, setStarted] = useState(null);
  const [isBusy, setBusy] = useState(false);

  useEffect(() => {
    let isWanted = true;
    const look = async () => {
      try {
        const found = await get(`media?${new URLSearchParams({ folder, search })}`);
        if (isWanted) {
          setListing(found);
          setProblem("");
        }
      } catch (refusal) {
        if (isWanted) setProblem(refusal.message);
      }
    };
    const waiting = setTimeout(look, search ? PAUSE : 0);
    return () => {
      isWanted = false;
      clearTimeout(waiting);
    };
  }, [folder, search]);

  async function start(file) {
    setBusy(true);
    setProblem("");
    setStarted(null);
    try {
      const session = await post("sessions", { media: file.path, user: user || null });
      setStarted(session);
      toast(`Started ${session.title}`);
      lookSoon();
    } catch (refusal) {
      setProblem(refusal.message);
    }
    setBusy(false);
  }

  const nothing = listing && !listing.folders.length && !listing.files.length;
  return html`<${Dialog} title="Start a film" onClose=${onClose} wide>
    <div class="tools">
      <label>Search <input type="search" value=${search} placeholder="Words of the name" onInput=${(event) => setSearch(event.target.value)} /></label>
      <label>For user <input value=${user} maxlength="256" placeholder="nobody" onInput=${(event) => setUser(event.target.value)} /></label>
    </div>
    <p class="error" role="alert">${problem}</p>
    ${started && html`<p class="started" role="status"><b>${started.title}</b> is started. <a class="button" href=${started.player_url} target="_blank" rel="noopener">Watch it</a></p>`}
    ${listing && html`<p class="where"><code>${listing.path || "Media roots"}</code>
      ${listing.parent !== null && html` <button onClick=${() => { setSearch(""); setFolder(listing.parent); }}>Up</button>`}</p>`}
    ${listing && listing.folders.length > 0 && html`<ul class="folders">${listing.folders.map((each) => html`<li key=${each.path}><button onClick=${() => setFolder(each.path)}><${Icon} name="folder" /> ${each.name}</button></li>`)}</ul>`}
    ${listing && html`<ul class="files">${listing.files.map((file) => html`<${File} key=${file.path} file=${file} onStart=${start} isBusy=${isBusy} />`)}</ul>`}
    ${nothing && html`<p class="soft">${search ? "No file has all these words in its path." : "There are no films in this folder. Media roots are named when the daemon is started: hls-sessions serve --media FOLDER."}</p>`}
    ${listing && !listing.is_whole && html`<p class="soft">There is more: more words find less.</p>`}
  <//>`;
}
