/**
 * Colours only for people: off when the output is piped. Import it before anything that colours, for picocolors turns
 * them on wherever CI is set.
 */
if (!process.stdout.isTTY && !process.env['FORCE_COLOR']) process.env['NO_COLOR'] = '1';
