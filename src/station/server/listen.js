'use strict';
// Plays a station in a browser: a button, and what is heard is never long ago.
//
//   touch ──> listen ──> live.mp3, piece by piece ──> a media source ──> <audio>
//     ^          └── or, where a browser can't: live.mp3 as it is ──────────┘
//     └── Stop           it ended, or broke: again after two seconds
//
// A browser that is given an endless file by its address alone may want ten seconds of it before it plays.
const TYPE = 'audio/mpeg';
const AGAIN_MS = 2000;
const LOOK_MS = 3000;
// Seconds: so much waits before it sounds, as sound comes a second at a time; more than this behind is caught
// up with, to here; and what was heard so long ago is let go.
const HELD = 1.2;
const BEHIND = 3.5;
const LIVE = 1.6;
const HEARD = 30;
// A server that lives never says nothing for so long.
const SILENCE_MS = 15000;

const button = document.querySelector('button');
const audio = document.querySelector('audio');
const state = document.querySelector('#state');
const name = document.body.dataset.station;
const hasPieces = 'MediaSource' in window && MediaSource.isTypeSupported(TYPE);
let going = null;
// It waits for sound, or nobody has touched Stop and yet it was silenced: by a key, or for a telephone call.
let held = false;

const happened = (object, event) =>
  new Promise((resolve) => object.addEventListener(event, resolve, { once: true }));

const within = (ms, promise) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('nothing came')), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });

function hold() {
  held = true;
  audio.pause();
}

async function feed(buffer, signal) {
  const answer = await fetch('live.mp3', { signal });
  if (!answer.ok) throw new Error(answer.statusText);
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await within(SILENCE_MS, reader.read());
    if (done) return;
    buffer.appendBuffer(value);
    await happened(buffer, 'updateend');
    const ranges = audio.buffered;
    const end = ranges.length ? ranges.end(ranges.length - 1) : 0;
    if (end - audio.currentTime > BEHIND) audio.currentTime = end - LIVE;
    if (held && end - audio.currentTime > HELD) {
      held = false;
      audio.play().catch(() => {});
    }
    if (audio.currentTime > 2 * HEARD) {
      buffer.remove(0, audio.currentTime - HEARD);
      await happened(buffer, 'updateend');
    }
  }
}

async function play(signal) {
  if (!hasPieces) {
    audio.src = `live.mp3?${Date.now()}`;
    audio.play().catch(() => {});
    await Promise.race([happened(audio, 'ended'), happened(audio, 'error')]);
    return;
  }
  const source = new MediaSource();
  const address = URL.createObjectURL(source);
  audio.src = address;
  // In the touch itself, or it is not allowed; it sounds when enough has come.
  audio.play().catch(() => {});
  hold();
  await happened(source, 'sourceopen');
  URL.revokeObjectURL(address);
  await feed(source.addSourceBuffer(TYPE), signal);
}

function listen() {
  const turn = new AbortController();
  going = turn;
  const again = () => {
    if (going !== turn) return;
    turn.abort();
    setTimeout(() => { if (going === turn) listen(); }, AGAIN_MS);
  };
  play(turn.signal).then(again, again);
}

function stop() {
  going.abort();
  going = null;
  audio.pause();
  audio.removeAttribute('src');
  audio.load();
}

function show() {
  button.textContent = going ? 'Stop' : 'Listen';
  button.setAttribute('aria-pressed', String(Boolean(going)));
}

button.addEventListener('click', (event) => {
  // Who clicks twice means it once.
  if (event.detail > 1) return;
  if (going) stop(); else listen();
  show();
});

async function look() {
  try {
    const answer = await fetch('/status.json', { signal: AbortSignal.timeout(LOOK_MS) });
    const found = (await answer.json()).stations.find((station) => station.name === name);
    state.textContent = found && found.live ? 'Live' : 'Nothing to hear now.';
  } catch {
    state.textContent = 'The station server does not answer.';
  }
  setTimeout(look, LOOK_MS);
}

// It has run dry.
audio.addEventListener('waiting', () => { if (going && hasPieces && !audio.seeking) hold(); });
audio.addEventListener('pause', () => {
  if (going && !held && !audio.ended) {
    stop();
    show();
  }
});
show();
button.hidden = false;
look();
