// What a client of WebSockets has to do so that a deploy costs it nothing: connect again when it is told that the
// server goes away (1001), and send again what it has no reply to. It sends until it is asked to stop (Ctrl-C),
// and then prints what it counted.
const WebSocket = require('ws');

const [url] = process.argv.slice(2);
const CLIENTS = 8;
const EVERY_MS = 100;
const PATIENCE_MS = 5000;

const counts = { sent: 0, failed: 0, reconnects: 0, reasons: [], releases: {} };
let stopping = false;

function fail(reason) {
  counts.failed += 1;
  if (counts.reasons.length < 10) counts.reasons.push(reason);
}

function client(name) {
  const open = new Map(); // What has no reply yet, and since when.
  let next = 0;
  let socket;

  function connect() {
    socket = new WebSocket(url);
    socket.on('open', () => {
      for (const message of open.keys()) socket.send(message);
    });
    socket.on('message', (data) => {
      const [release, message] = String(data).split(' ');
      open.delete(message);
      counts.releases[release] = (counts.releases[release] ?? 0) + 1;
    });
    socket.on('close', (code) => {
      if (stopping) return;
      counts.reconnects += 1;
      if (code !== 1001) fail(`closed with ${code}`);
      connect();
    });
    socket.on('error', (error) => fail(error.message));
  }

  connect();
  const timer = setInterval(() => {
    for (const [message, since] of open) {
      if (Date.now() - since > PATIENCE_MS) {
        open.delete(message);
        fail(`no reply to ${message}`);
      }
    }
    if (stopping) return;
    const message = `${name}-${next++}`;
    counts.sent += 1;
    open.set(message, Date.now());
    if (socket.readyState === WebSocket.OPEN) socket.send(message);
  }, EVERY_MS);
  return { open, end: () => { clearInterval(timer); socket.terminate(); } };
}

const clients = Array.from({ length: CLIENTS }, (_, index) => client(`client${index}`));

function stop() {
  stopping = true;
  const wait = setInterval(() => {
    if (clients.some(({ open }) => open.size > 0)) return;
    clearInterval(wait);
    clients.forEach(({ end }) => end());
    console.log(JSON.stringify(counts));
  }, 50);
}
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
