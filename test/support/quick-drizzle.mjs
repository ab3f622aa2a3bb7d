/**
 * Loads drizzle-orm as CommonJS: 0.1 s of a core instead of 0.6 for each process. Node parses the package.json of a package again
 * for each of its ES modules, and drizzle-orm has a hundred modules and a package.json of 180 KB.
 */
import nodeModule from 'node:module';

// The machine's own Node, which starts the npm scripts, may be older than these hooks.
nodeModule.registerHooks?.({
  resolve(specifier, context, next) {
    if (!/^drizzle-orm($|\/)/.test(specifier)) return next(specifier, context);
    const conditions = context.conditions.map((name) => (name === 'import' ? 'require' : name));
    return next(specifier, { ...context, conditions });
  },
});
