-- Filled before this release: 0024_alert_receivers.
SELECT 1;
