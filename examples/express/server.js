// A small shop's API. Plimsoll gives each instance its port and the release's version.
const express = require('express');

const { PORT, VERSION } = process.env;
const app = express();
app.use(express.text({ type: '*/*', limit: '1mb' }));

app.get('/', (request, response) => response.type('text').send(`release ${VERSION}\n`));
app.get('/health', (request, response) => response.type('text').send('ok\n'));
app.get('/slow', (request, response) => {
  setTimeout(() => response.type('text').send(`release ${VERSION}\n`), 500);
});
app.post('/echo', (request, response) => response.type('text').send(request.body));

const server = app.listen(PORT, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`release ${VERSION} listens on ${PORT}`);
});

// Without a handler, Node ends at once and cuts off what is open. `close` accepts nothing new,
// closes idle connections (since Node 19) and lets open requests end; then nothing keeps Node alive.
process.on('SIGTERM', () => server.close());
