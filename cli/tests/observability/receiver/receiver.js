// An OTLP receiver of independent make (@elastic/mockotlpserver: grpc-js and protobufjs) for the tests beside this file.
//
// Listens on two ports of the loopback that the kernel chooses and says on stdout which; then writes one line of JSON for
// each request, {"signal": "traces" | "metrics" | "logs", "request": …}, into the file it was given. A line is written in
// the turn of the loop in which its request was acknowledged, so after SIGTERM the file is complete.
'use strict';

const fs = require('fs');
const {MockOtlpServer, normalizeTrace, normalizeMetrics, normalizeLogs} = require('@elastic/mockotlpserver');

const out = fs.openSync(process.argv[2], 'a');

// What the normalisers leave of gRPC's own types: numbers of 64 bits as halves, bytes as lists.
function plain(key, value) {
    if (value === null || typeof value !== 'object') return value;
    if (typeof value.low === 'number' && typeof value.high === 'number' && 'unsigned' in value) {
        const bits = (BigInt(value.high) << 32n) | BigInt(value.low >>> 0);
        return (value.unsigned ? BigInt.asUintN(64, bits) : BigInt.asIntN(64, bits)).toString();
    }
    if (value.type === 'Buffer') return Buffer.from(value.data).toString('hex');
    return value;
}

const write = (signal, normalize) => (request) =>
    fs.writeSync(out, JSON.stringify({signal, request: normalize(request)}, plain) + '\n');

const server = new MockOtlpServer({
    logLevel: 'warn',
    services: ['http', 'grpc'],
    httpHostname: '127.0.0.1',
    httpPort: 0,
    grpcHostname: '127.0.0.1',
    grpcPort: 0,
    onTrace: write('traces', normalizeTrace),
    onMetrics: write('metrics', normalizeMetrics),
    onLogs: write('logs', normalizeLogs),
});

process.on('SIGTERM', () => process.exit(0));

server.start().then(
    () => console.log(`http ${server.httpUrl.host} grpc ${server.grpcUrl.host}`),
    (error) => {
        console.error(error);
        process.exit(1);
    },
);
