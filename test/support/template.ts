/** The migrated database from which each test file's own is copied. */
export const TEMPLATE = 'holdfast_template';
