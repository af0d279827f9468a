// The baseline of starting and of idle memory: nothing but node:http. Plain JavaScript, started as a service is.
import { createServer } from 'node:http'

const server = createServer((_req, res) => res.writeHead(200, { 'Content-Length': 0 }).end())
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ service: 'bare', part: 'http', port: server.address().port })))
