// The floor under every figure: a process that answers each request of `argv[3]` reports with `argv[4]` reports over
// the Unix socket `argv[2]`, and does nothing else.

import { createServer } from 'node:net';

const [path = '', requestReports = '1', answerReports = '1'] = process.argv.slice(2);
const requestSize = Number(requestReports) * 64;
const answer = Buffer.alloc(Number(answerReports) * 64);

createServer((socket) => {
  let received = 0;
  socket.on('data', (chunk) => {
    for (received += chunk.length; received >= requestSize; received -= requestSize) socket.write(answer);
  });
  socket.on('error', () => socket.destroy());
}).listen(path, () => console.log('ready'));
