/** A secret of the settings is masked in every text, in whatever form it appears. */
import { describe, expect, test } from 'vitest';
import { makeKeyId, makeKeyText } from '../../domain/api-key.ts';
import { keepSecret, redactText } from '../../process/secrets.ts';

describe('a secret', () => {
  keepSecret({
    DATABASE_URL: 'postgres://me:s3cr%23t"x@host/db',
    ALERT_WEBHOOK_URL: 'https://hooks.example.com/services/T0000/B0000',
    ALERT_SLACK_URL: 'https://hooks.slack.example/services/T1111/B1111/t0ken',
    ALERT_PAGERDUTY_KEY: 'R0UT1NGKEY',
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=c0llector-t0ken,x-tenant=shop-4711',
    PERSONAL_DATA_KEYS:
      'new:bmV3IGtleSB0aGF0IGlzIGEgc2VjcmV0IG9mIDMyIGI=,old:b2xkIGtleSB0aGF0IGlzIGEgc2VjcmV0IG9mIDMyIGI=',
    PERSONAL_DATA_INDEX_KEYS: 'ix:aW5kZXgga2V5IHRoYXQgaXMgYSBzZWNyZXQsIG9mIDM=',
    PAYLOAD_KEYS: 'now:cGF5bG9hZHMgb2YgYWxsIGtpbmRzIGFuZCBtb3JlLiA=',
    SESSION_KEYS: 'now:c2Vzc2lvbnMgb2YgcGVvcGxlIGFuZCBtb3JlIG9mIGk=',
    PAYMENT_PROVIDER_KEY: 'pk-0f-the-shop',
    HOLDFAST_KEY: 'a-token-0f-an-operator',
    PAYMENT_PROVIDER_SECRETS:
      'whsec_c2lnbnMgbm93IGFuZCBmb3IgbG9uZw==, whsec_c2lnbnMgZnJvbSBuZXh0IHdlZWsgb24=',
  });

  test.each([
    ['connect postgres://me:s3cr%23t"x@host/db failed', 's3cr'],
    ['the password s3cr#t"x is wrong', 's3cr'],
    [JSON.stringify({ password: 's3cr#t"x' }), 's3cr'],
    ['POST https://hooks.example.com/services/T0000/B0000 failed', 'T0000'],
    ['POST https://hooks.slack.example/services/T1111/B1111/t0ken failed', 't0ken'],
    ['{"routing_key":"R0UT1NGKEY"}', 'R0UT1NGKEY'],
    ['the collector refused authorization: c0llector-t0ken', 'c0llector'],
    ['redis://other:unknown@host:1', 'unknown'],
    ['the buyer alice@example.com', 'alice'],
    ['PERSONAL_DATA_KEYS=new:bmV3IGtleSB0aGF0IGlzIGEgc2VjcmV0IG9mIDMyIGI=,…', 'bmV3'],
    ['the key b2xkIGtleSB0aGF0IGlzIGEgc2VjcmV0IG9mIDMyIGI= is old', 'b2xk'],
    ['PAYLOAD_KEYS=now:cGF5bG9hZHMgb2YgYWxsIGtpbmRzIGFuZCBtb3JlLiA=', 'cGF5'],
    ['SESSION_KEYS=now:c2Vzc2lvbnMgb2YgcGVvcGxlIGFuZCBtb3JlIG9mIGk=', 'c2Vz'],
    ['Authorization: Bearer pk-0f-the-shop', 'pk-0f'],
    ['401 for a-token-0f-an-operator', 'a-token'],
    ['PAYMENT_PROVIDER_SECRETS=whsec_c2lnbnMgbm93IGFuZCBmb3IgbG9uZw==', 'c2ln'],
    ['the key c2lnbnMgZnJvbSBuZXh0IHdlZWsgb24= is old', 'c2ln'],
    ['{"PERSONAL_DATA_INDEX_KEYS":"ix:aW5kZXgga2V5IHRoYXQgaXMgYSBzZWNyZXQsIG9mIDM="}', 'aW5k'],
  ])('is masked in "%s"', (text, secret) => {
    expect(redactText(text)).not.toContain(secret);
    expect(redactText(text)).toContain('[redacted]');
  });

  test('of an API key is masked wherever the key is quoted, and the id of the key is not', () => {
    const keyId = makeKeyId();
    const { text: key } = makeKeyText(keyId);
    for (const text of [
      `Authorization: Bearer ${key}`,
      JSON.stringify({ key }),
      `${key.slice(0, -9)} was shortened`,
    ])
      expect(redactText(text)).toMatch(new RegExp(`hf_${keyId}_\\[redacted\\]`));
    expect(redactText(`Bearer ${key}`)).toBe(`Bearer hf_${keyId}_[redacted]`);
  });

  test('is the only thing that is masked: every other word stays as it is', () => {
    const text =
      'worker 12@host: connect ECONNREFUSED 127.0.0.1:5440 in node_modules/@temporalio/worker (1.24.0)';
    expect(redactText(text)).toBe(text);
  });
});
