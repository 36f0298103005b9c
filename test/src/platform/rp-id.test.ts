import { describe, expect, it } from 'vitest';
import { effectiveRpId } from '../../../src/platform/rp-id.ts';

describe('the RP ID of an origin', () => {
  it.each([
    ['https://example.com', undefined, 'example.com'],
    ['https://example.com', 'example.com', 'example.com'],
    ['https://example.com:8443', 'example.com', 'example.com'],
    ['https://login.example.com', 'example.com', 'example.com'],
    ['https://a.b.example.com', 'b.example.com', 'b.example.com'],
    ['http://localhost:8787', undefined, 'localhost'],
    ['http://localhost:8787', 'localhost', 'localhost'],
    ['http://app.localhost', 'localhost', 'localhost'],
    ['https://intranet', 'intranet', 'intranet'],
  ])('lets %s use %s', (origin, rpId, expected) => {
    expect(effectiveRpId(origin, rpId)).toBe(expected);
  });

  it.each([
    ['https://example.com', 'login.example.com', 'below the origin'],
    ['https://example.com', 'ample.com', 'no whole label'],
    ['https://example.com', 'evil.com', 'another domain'],
    ['https://example.com', 'com', 'a single label'],
    ['https://example.com', '', 'empty'],
    ['https://example.com', '.com', 'an empty label'],
    ['https://example.com', 'EXAMPLE.COM', 'not in lower case'],
    ['https://example.com', 'https://example.com', 'not a domain'],
    ['http://example.com', 'example.com', 'not secure'],
    ['http://localhost.example.com', 'example.com', 'not secure'],
    ['https://127.0.0.1', undefined, 'an address'],
    ['https://[::1]', undefined, 'an address'],
    ['https://example.com/', 'example.com', 'not an origin'],
    ['https://example.com/path', 'example.com', 'not an origin'],
    ['null', undefined, 'an opaque origin'],
    ['file:///etc', undefined, 'not the web'],
    ['android:apk-key-hash:abc', undefined, 'not the web'],
  ])('refuses %s the RP ID %j: %s', (origin, rpId, _) => {
    expect(() => effectiveRpId(origin, rpId)).toThrow(expect.objectContaining({ name: 'SecurityError' }));
  });
});
