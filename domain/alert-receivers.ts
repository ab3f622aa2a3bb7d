/** Who is sent the notices of alerts. Each is a setting of its own, gets every notice, and delays no other. */
export const ALERT_RECEIVERS = ['webhook', 'slack', 'pagerduty'] as const;
/** `webhook`: JSON of our own. `slack`: an incoming webhook, as Mattermost has them, too. `pagerduty`: Events API v2. */
export type AlertReceiver = (typeof ALERT_RECEIVERS)[number];
