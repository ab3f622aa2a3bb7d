-- Filled before this release: 0022_interventions.
SELECT 1;
