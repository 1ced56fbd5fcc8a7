import { expect, test } from 'vitest';
import { isOpenToOthers, parseEndpoint, readEndpoint } from '../../../cli/endpoint.js';

test.each([
  ['unix:///run/convoy/api.sock', { kind: 'unix', path: '/run/convoy/api.sock' }],
  ['file:///var/run/fleet.sock', { kind: 'unix', path: '/var/run/fleet.sock' }],
  ['http://10.0.0.7:49153', { kind: 'tcp', host: '10.0.0.7', port: 49153, tls: false }],
  ['http://10.0.0.7:49153/', { kind: 'tcp', host: '10.0.0.7', port: 49153, tls: false }],
  ['http://convoy.example.com', { kind: 'tcp', host: 'convoy.example.com', port: 80, tls: false }],
  ['https://[fd00::7]:7443', { kind: 'tcp', host: 'fd00::7', port: 7443, tls: true }],
  ['HTTPS://convoy.example.com', { kind: 'tcp', host: 'convoy.example.com', port: 443, tls: true }],
])('%s is read', (text, expected) => {
  expect(readEndpoint(text)).toEqual({ ...expected, text });
});

test.each([
  ['127.0.0.1:49153', 'URL scheme undefined'],
  ['/var/run/fleet.sock', 'URL scheme undefined'],
  ['', 'URL scheme undefined'],
  ['unix://var/run/fleet.sock', 'unable to connect to host "var" with scheme "unix"'],
  ['file://var/run', 'unable to connect to host "var" with scheme "file"'],
  ['unix://', 'scheme "unix" needs the path of a socket'],
  ['tcp://10.0.0.7:1', 'unsupported scheme "tcp"'],
  ['http://', '"" is no host:port'],
  ['http://host:port', '"host:port" is no host:port'],
])('%j is refused', (text, problem) => {
  expect(parseEndpoint(text)).toBe(problem);
  expect(() => readEndpoint(text)).toThrow(`endpoint "${text}": ${problem}: expected unix:///path/of/socket`);
});

test.each([
  ['unix:///run/convoy/api.sock', false],
  ['http://127.0.0.1:80', false],
  ['http://localhost:80', false],
  ['http://[::1]:80', false],
  ['https://10.0.0.7', false],
  ['http://10.0.0.7', true],
  ['http://127.example.com', true],
])('%s: what is sent can be read by others: %s', (text, open) => {
  expect(isOpenToOthers(readEndpoint(text))).toBe(open);
});
