import Fastify from 'fastify'
const fastify = Fastify({ logger: true })
fastify.get('/healthz', async () => 'ok')
fastify.get('/prices/:sku', async (request) => ({ sku: request.params.sku }))
await fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
