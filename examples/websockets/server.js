// A room that repeats what it hears. Plimsoll gives each instance its port and the release's version.
const http = require('node:http');
const { WebSocketServer } = require('ws');

const { PORT, VERSION } = process.env;

const server = http.createServer((request, response) => {
  response.setHeader('content-type', 'text/plain');
  response.end(request.url === '/health' ? 'ok\n' : `release ${VERSION}\n`);
});
const sockets = new WebSocketServer({ server, path: '/room' });

sockets.on('connection', (socket) => {
  socket.on('message', (message) => socket.send(`${VERSION} ${message}`));
  // An error ends that connection alone.
  socket.on('error', (error) => console.error(error.message));
});

server.listen(PORT, '127.0.0.1', () => console.log(`release ${VERSION} listens on ${PORT}`));

// `server.close` waits for WebSockets, too, and closes none. Plimsoll has closed all that came through it before
// it sends SIGTERM, with 1001; the loop is for those that came another way.
process.on('SIGTERM', () => {
  for (const socket of sockets.clients) socket.close(1001);
  server.close();
});
