# One image for the three services; compose.yaml says which one a container runs.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional dependencies are Node.js itself, for machines without a fitting one: this image has it.
# esbuild's and Biome's own binaries are optional too, so the build stage takes them all.
RUN npm ci
COPY tsconfig.json ./
COPY scripts ./scripts
COPY lib ./lib
COPY services ./services
COPY cli ./cli
RUN node scripts/build.ts --force

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# BullMQ's msgpackr runs without its optional native part.
RUN npm ci --omit=dev --omit=optional && npm cache clean --force

FROM node:24-bookworm-slim
ENV NODE_ENV=production DATA_DIR=/data LOG_FORMAT=json
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
COPY migrations ./migrations
# docker compose exec controller node cli/dcm.mjs status
COPY cli/dcm.mjs ./cli/dcm.mjs
COPY scripts/healthcheck.mjs ./scripts/healthcheck.mjs
USER node
VOLUME /data
EXPOSE 6001 6002 8081
# Asks the service of this container; SERVICE_PORT is set by whoever starts another one than the controller.
ENV SERVICE_PORT=6001
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["node", "scripts/healthcheck.mjs"]
# Node handles SIGTERM itself; without an init it is process 1, and gets it directly.
CMD ["node", "--max-semi-space-size=16", "dist/controller.js"]
