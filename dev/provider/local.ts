/** The payment provider of a developer's machine: both sides take these by default. */

export const LOCAL_PROVIDER = {
  key: 'provider-key-of-development',
  secret: `whsec_${Buffer.from('the secret of a local provider').toString('base64')}`,
};

/** Settings that are set together. */
const SETTINGS = ['PAYMENT_PROVIDER_URL', 'PAYMENT_PROVIDER_KEY', 'PAYMENT_PROVIDER_SECRETS'] as const;

/** The settings by which worker and API use the provider at this port; none when the environment names another provider. */
export function localProviderSettings(
  environment: NodeJS.ProcessEnv,
  port: number,
): Partial<Record<(typeof SETTINGS)[number], string>> {
  if (SETTINGS.some((name) => environment[name] !== undefined)) return {};
  return {
    PAYMENT_PROVIDER_URL: `http://127.0.0.1:${port}`,
    PAYMENT_PROVIDER_KEY: LOCAL_PROVIDER.key,
    PAYMENT_PROVIDER_SECRETS: LOCAL_PROVIDER.secret,
  };
}
