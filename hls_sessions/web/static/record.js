// The recorder: a camera, a screen or a microphone, through MediaRecorder and a WebSocket to the server.
// What is not acknowledged yet is kept, and sent again after the connection was lost, so nothing is missing.
"use strict";

const SLICE = 250; // milliseconds of media in a chunk
const KEYFRAMES = 1_000; // milliseconds between keyframes, so that the server need not encode
const LARGEST = 1024 * 1024; // bytes of a message; the server takes no more than 64, and some browsers make chunks of 50 MB
const FIRST_PAUSE = 500; // milliseconds until the first try to connect again; twice as long after each
const LONGEST_PAUSE = 8_000;
const REFUSED = new Set([4400, 4403, 4404, 4409, 4410, 4413, 4415]); // no use in coming back with the same

// H.264 first, because it is passed on as it is; WebM before MP4, because its pieces come sooner.
const TYPES = {
  video: [
    "video/webm;codecs=h264,opus", "video/x-matroska;codecs=avc1,opus", "video/webm;codecs=vp8,opus", "video/webm",
    "video/mp4",
  ],
  audio: ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"],
};

const byId = (id) => document.getElementById(id);

function say(text, failed = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("error", failed);
}

const inBytes = (count) => (count < 1e6 ? `${Math.round(count / 1e3)} kB` : `${(count / 1e6).toFixed(1)} MB`);
const inMinutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// One stream to the server, across connections.
class Uplink {
  constructor(url, mime, tell) {
    this.url = url;
    this.mime = mime;
    this.tell = tell; // is called with {kept, made} and with {recorded}, {lost} or {failed}
    this.chunks = []; // what is not acknowledged, each with its offset
    this.made = 0;
    this.kept = 0;
    this.pause = FIRST_PAUSE;
    this.isOver = false;
    this.stopping = false;
    this.connect();
  }

  add(buffer) {
    const chunk = { offset: this.made, bytes: new Uint8Array(buffer) };
    this.made += chunk.bytes.length;
    this.chunks.push(chunk);
    if (this.isStarted) this.send(chunk, chunk.offset);
    this.tell({ kept: this.kept, made: this.made });
  }

  stop() {
    this.stopping = true;
    this.stopIfAllIsSent();
  }

  connect() {
    this.isStarted = false;
    const socket = (this.socket = new WebSocket(this.url));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify({ type: "start", mime: this.mime }));
    socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (this.isOver || socket !== this.socket) return;
      this.isStarted = false;
      if (REFUSED.has(event.code) && !(event.code === 4409 && this.kept < this.made)) {
        this.isOver = true;
        this.tell({ failed: this.error || `The connection was closed (${event.code}).` });
        return;
      }
      this.tell({ lost: true });
      setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
    };
  }

  hear(message) {
    if (message.type === "started") {
      this.isStarted = true;
      this.pause = FIRST_PAUSE;
      this.acknowledged(message.next);
      for (const chunk of this.chunks) this.send(chunk, Math.max(chunk.offset, message.next));
      this.stopIfAllIsSent();
    } else if (message.type === "ack") {
      this.acknowledged(message.next);
    } else if (message.type === "recorded") {
      this.isOver = true;
      this.tell({ recorded: message.files });
    } else if (message.type === "error") this.error = message.detail;
  }

  acknowledged(next) {
    this.kept = next;
    while (this.chunks.length && this.chunks[0].offset + this.chunks[0].bytes.length <= next) this.chunks.shift();
    this.tell({ kept: this.kept, made: this.made });
  }

  send(chunk, from) {
    for (let at = from - chunk.offset; at < chunk.bytes.length; at += LARGEST) {
      const bytes = chunk.bytes.subarray(at, at + LARGEST);
      const message = new Uint8Array(8 + bytes.length);
      new DataView(message.buffer).setBigUint64(0, BigInt(chunk.offset + at));
      message.set(bytes, 8);
      this.socket.send(message);
    }
  }

  stopIfAllIsSent() {
    if (this.stopping && this.isStarted) this.socket.send(JSON.stringify({ type: "stop" }));
  }
}

async function capture(what) {
  const devices = navigator.mediaDevices;
  if (!devices) throw new Error("A browser records only on a page from https or from this machine.");
  const sound = { echoCancellation: false, noiseSuppression: false };
  if (what === "microphone") return devices.getUserMedia({ audio: sound });
  if (what === "camera") return devices.getUserMedia({ video: { width: 1280, height: 720 }, audio: sound });
  return devices.getDisplayMedia({ video: true, audio: true });
}

function meter(stream) {
  if (!stream.getAudioTracks().length) return () => {};
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const looking = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    byId("level").value = Math.max(...samples.map(Math.abs));
  }, 100);
  return () => {
    clearInterval(looking);
    context.close();
  };
}

async function begin(title, mime) {
  const token = byId("token").value;
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const low = byId("low-latency").checked || null; // else as the server's settings say
  const body = JSON.stringify({ title: title || null, mime, low_latency: low });
  const answer = await fetch(new URL("live", location.href), { method: "POST", headers, body });
  if (answer.status === 401) byId("token-row").hidden = false;
  const made = await answer.json();
  if (!answer.ok) throw new Error(made.detail);
  return made;
}

function link(text, path) {
  const anchor = document.createElement("a");
  anchor.textContent = text;
  anchor.href = new URL(path, location.href).href;
  byId("links").append(anchor, " ");
}

async function record() {
  byId("links").textContent = "";
  const stream = await capture(byId("what").value);
  const kind = stream.getVideoTracks().length ? "video" : "audio";
  const mimeType = TYPES[kind].find((type) => MediaRecorder.isTypeSupported(type));
  const made = await begin(byId("title").value, mimeType);
  const watch = `watch/${made.session_id}`;
  const input = new URL(`live/${made.session_id}/input`, location.href);
  input.protocol = input.protocol.replace("http", "ws");
  input.searchParams.set("token", made.input_token);

  const preview = byId("preview");
  preview.srcObject = stream;
  preview.play().catch(() => {});
  const endMeter = meter(stream);
  const recorder = new MediaRecorder(stream, {
    mimeType,
    videoBitsPerSecond: 4_000_000,
    audioBitsPerSecond: 128_000,
    videoKeyFrameIntervalDuration: KEYFRAMES,
  });
  const begun = Date.now();
  const counting = setInterval(() => { byId("elapsed").value = inMinutes((Date.now() - begun) / 1000); }, 250);
  let lock = null;
  navigator.wakeLock?.request("screen").then((given) => { lock = given; }, () => {}); // not given in the background

  const end = (text, failed = false) => {
    clearInterval(counting);
    endMeter();
    lock?.release();
    for (const track of stream.getTracks()) track.stop();
    if (recorder.state !== "inactive") recorder.stop();
    byId("start").hidden = false;
    byId("stop").hidden = true;
    say(text, failed);
  };
  const uplink = new Uplink(input.href, mimeType, (news) => {
    if (news.recorded) {
      end("Recorded.");
      for (const file of news.recorded) link(`Download ${file.name}`, `sessions/${made.session_id}/files/original`);
    } else if (news.failed) end(news.failed, true);
    else if (news.lost) say("The server cannot be reached. Nothing is lost: it is sent when the server is back.", true);
    else {
      if (uplink?.isStarted) say("Recording");
      byId("kept").textContent = `${inBytes(news.kept)} of ${inBytes(news.made)} are safe on the server.`;
    }
  });
  window.uplink = uplink; // for the browser's console

  let adding = Promise.resolve(); // chunks are added in their order
  recorder.ondataavailable = (event) => {
    adding = adding.then(async () => uplink.add(await event.data.arrayBuffer()));
  };
  recorder.onstop = () => { adding = adding.then(() => uplink.stop()); };
  recorder.start(SLICE);
  for (const track of stream.getTracks()) track.onended = () => recorder.state !== "inactive" && recorder.stop();
  byId("start").hidden = true;
  byId("stop").hidden = false;
  byId("stop").onclick = () => {
    say("Sending the rest…");
    recorder.stop();
  };
  link("Watch it live", watch);
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  say("");
  record().catch((error) => say(error.message, true));
});
