-- Filled before this release: 0023_decisions.
SELECT 1;
