// One session: what it plays, its renditions, its history, and what its encoders said last.

import { html, useEffect, useState } from "../vendor/htm/htm-preact.js";
import { get } from "./api.js";
import { Dialog } from "./dialog.js";
import { ago, bytes, clock, name, seconds } from "../format.js";
import { pause, resume, stop } from "./sessions.js";
import { speedOf } from "./store.js";

const EVERY = 3_000; // milliseconds

function Rendition({ session, rendition }) {
  const run = session.runs.find((each) => each.rendition === rendition.id);
  const speed = run ? speedOf(session, run) : null;
  const size = rendition.height ? `${rendition.width}×${rendition.height}` : rendition.language ?? "";
  return html`<tr>
    <th scope="row">${rendition.id}</th>
    <td>${size}</td>
    <td>${rendition.encoder ?? ""}${rendition.given_up.length > 0 && html` <span class="warned" title=${rendition.given_up.join("\n")}>stepped down</span>`}</td>
    <td>${run ? (run.held ? "held" : speed === null ? "encodes" : `${speed.toFixed(1)}×`) : ""}</td>
    <td><div class="bar" role="img" aria-label=${`${rendition.published} of ${rendition.segments} segments on disk`}><span style=${{ width: `${(100 * rendition.published) / (rendition.segments || 1)}%` }}></span></div></td>
    <td class="number">${rendition.published} / ${rendition.segments}</td>
  </tr>`;
}

export function Session({ session, id, chosen, onClose }) {
  const [history, setHistory] = useState(null);
  const [log, setLog] = useState([]);
  useEffect(() => {
    const look = async () => {
      setHistory(await get(`sessions/${id}/history`).catch(() => []));
      setLog(await get(`sessions/${id}/log`).catch(() => []));
    };
    look();
    const looking = setInterval(look, EVERY);
    return () => clearInterval(looking);
  }, [id]);
  const steps = history ?? [];
  return html`<${Dialog} title=${session ? session.title : "Session"} onClose=${onClose} wide>
    ${!session && html`<p>This session has ended${steps.length ? `: ${steps.at(-1).reason}` : ""}.</p>`}
    ${session && html`<div class="session">
      ${session.source === null && html`<img class="scene" alt="" src=${`sessions/${id}/thumbnail?at=${Math.floor(session.position / 10) * 10}`} onError=${(event) => { event.target.hidden = true; }} />`}
      <dl>
        <dt>File</dt><dd>${session.media}</dd>
        <dt>User</dt><dd>${session.user ?? "none"}</dd>
        ${session.node && html`<dt>Node</dt><dd>${session.node}</dd>`}
        <dt>Id</dt><dd><code>${id}</code></dd>
        <dt>State</dt><dd><span class=${`badge ${session.state}`}>${session.state}</span> ${session.source && `source ${session.source}`}</dd>
        <dt>Position</dt><dd>${clock(session.position)} of ${clock(session.duration)}</dd>
        <dt>Opened</dt><dd>${ago(session.created_at)}, last used ${ago(session.last_activity_at)}, expires in ${clock(session.expires_in)} if nobody uses it</dd>
        <dt>Viewers</dt><dd>${session.subscriber_count} listen, ${session.viewers_waiting} wait${session.in_vain_for ? ` (${seconds(session.in_vain_for)} in vain)` : ""}</dd>
        <dt>First segment</dt><dd>${seconds(session.first_segment_after)}</dd>
        <dt>Made, shared, sent</dt><dd>${session.segments_made} segments (${bytes(session.bytes_made)}), ${session.segments_shared}, ${session.segments_served} (${bytes(session.bytes_served)})</dd>
        <dt>On disk</dt><dd>${bytes(session.bytes_on_disk)} in <code>${name(session.directory)}</code></dd>
        <dt>Restarts</dt><dd>${Object.entries(session.restarts).map(([what, times]) => `${what}: ${times}`).join(", ") || "none"}</dd>
        <dt>Processor</dt><dd>${seconds(session.encoder_seconds)}</dd>
      </dl>
      ${session.notes.length > 0 && html`<h3>Notes</h3><ul>${session.notes.map((note) => html`<li key=${note}>${note}</li>`)}</ul>`}
      <h3>Renditions</h3>
      <div class="scrolls" tabindex="0" role="region" aria-label="Renditions"><table>
        <thead><tr><th scope="col">Rendition</th><th scope="col">Size</th><th scope="col">Encoder</th><th scope="col">Speed</th><th scope="col">Made</th><th scope="col">Segments</th></tr></thead>
        <tbody>${session.renditions.map((rendition) => html`<${Rendition} key=${rendition.id} session=${session} rendition=${rendition} />`)}</tbody>
      </table></div>
      <p class="buttons">
        <a class="button" href=${session.player_url} target="_blank" rel="noopener">Watch</a>
        ${session.source === null && (session.state === "paused" ? html`<button onClick=${() => resume([session])}>Resume</button>` : html`<button onClick=${() => pause([session])}>Pause</button>`)}
        <button class="danger" onClick=${() => { stop([session], chosen); onClose(); }}>Stop</button>
      </p>
    </div>`}
    <h3>History</h3>
    <ol class="history">${steps.map((step) => html`<li key=${`${step.at} ${step.step}`}><time dateTime=${step.at}>${new Date(step.at).toLocaleTimeString()}</time> ${step.from_state} → <b>${step.to_state}</b> <span class="soft">by ${step.by}: ${step.reason}</span></li>`)}</ol>
    <h3>Encoders' last words</h3>
    ${log.length === 0 && html`<p class="soft">No encoder of this session has run yet.</p>`}
    <ul class="log">${[...log].reverse().map((entry, at) => html`<li key=${at}><b>${entry.process}</b> <span class="soft">${entry.ended ?? "runs"}</span>${entry.lines.length > 0 && html`<pre>${entry.lines.join("\n")}</pre>`}</li>`)}</ul>
  <//>`;
}
