import { describe, expect, it } from 'vitest';
import { OutboundRefused } from '../../outbound/index.js';
import { faultOf } from './sso.faults.js';

const coded = (code: string, more = {}) => Object.assign(new Error('what the peer said'), { code, ...more });

describe("what an admin reads of a provider's fault", () => {
  it.each([
    [new OutboundRefused('login.acme.example'), 'login.acme.example'],
    [new Error('wrapped', { cause: new OutboundRefused('login.acme.example') }), 'login.acme.example'],
    [new TypeError('fetch failed'), 'cannot be reached'],
    [coded('OAUTH_TIMEOUT'), 'in time'],
    [coded('OAUTH_RESPONSE_BODY_ERROR', { error: 'invalid_client', status: 400 }), 'sso.client_secret'],
    [coded('OAUTH_WWW_AUTHENTICATE_CHALLENGE', { cause: [{ scheme: 'basic' }], status: 401 }), 'sso.client_secret'],
    [coded('OAUTH_RESPONSE_BODY_ERROR', { error: 'server_error', status: 500 }), 'The provider fails.'],
    [coded('OAUTH_RESPONSE_IS_NOT_JSON'), 'is sso.issuer right?'],
    [coded('OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED'), 'otherwise than sso.issuer'],
  ])('%o', (error, told) => {
    expect(faultOf(error)).toContain(told);
    expect(faultOf(error)).not.toContain('what the peer said');
  });

  it.each([
    [coded('OAUTH_RESPONSE_BODY_ERROR', { error: 'invalid_grant', status: 400 })],
    [coded('OAUTH_AUTHORIZATION_RESPONSE_ERROR', { error: 'access_denied' })],
    [coded('OAUTH_JWT_CLAIM_COMPARISON_FAILED')],
    [coded('OAUTH_INVALID_RESPONSE')],
  ])('is nothing where a browser could have brought it about: %o', (error) => {
    expect(faultOf(error)).toBeUndefined();
  });
});
