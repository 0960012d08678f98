// A small shop's API. Plimsoll gives each instance its port and the release's version.
const { PORT, VERSION } = process.env;
const app = require('fastify')({ logger: true, bodyLimit: 1024 * 1024 });

app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => done(null, body));
app.get('/', async () => `release ${VERSION}\n`);
app.get('/health', async () => 'ok\n');
app.get('/slow', async () => {
  await new Promise((resolve) => setTimeout(resolve, 500));
  return `release ${VERSION}\n`;
});
app.post('/echo', async (request) => request.body);

// `close` lets open requests end, and responds 503 to what still arrives on connections that are open. Plimsoll
// sends SIGTERM only when no request can reach the instance any more, so nobody sees those.
process.on('SIGTERM', () => app.close());

app.listen({ port: Number(PORT), host: '127.0.0.1' }).catch((error) => {
  app.log.error(error);
  process.exit(1);
});
