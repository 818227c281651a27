# One image for every node: the domains are its arguments (`docker run club-alliance users clubs`; none: all of them).
# `--target tools` is the same with the programs that backups and first secrets need. docs/decisions/0031-image-and-compose.md
FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Nothing that runs here has an install script; a list of what is inside is made while npm is at hand.
RUN --mount=type=cache,target=/var/cache/npm \
    npm ci --cache /var/cache/npm --omit=dev --ignore-scripts --no-audit --no-fund \
    && npm sbom --package-lock-only --omit dev --sbom-format cyclonedx > sbom.json

FROM node:24.21.0-bookworm-slim AS node
# A name for the user; npm and the rest of the base's tools for building are not needed any more.
RUN echo 'club:x:10001:10001::/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
    && echo 'club:x:10001:' >> /etc/group \
    && rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
      /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-*
WORKDIR /app
COPY --from=dependencies /app/sbom.json /app/package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY LICENSE moleculer.config.ts ./
COPY lib ./lib
COPY middlewares ./middlewares
COPY migrations ./migrations
COPY mixins ./mixins
COPY scripts ./scripts
COPY services ./services
# The heap takes its part of whatever memory the container is given; the rest is for buffers, pictures and threads.
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-old-space-size-percentage=65 \
    HOST=0.0.0.0 \
    LOG_FORMAT=json \
    DATA_DIR=/tmp/club-alliance
USER 10001:10001
EXPOSE 3000 3001 3002
# Node.js itself hears SIGTERM and drains; it has no children to reap.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["node", "scripts/healthy.ts"]
ENTRYPOINT ["node", "scripts/node.ts"]
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="club-alliance" \
      org.opencontainers.image.description="A node of the federation of student clubs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# What backups need of the databases, and openssl for the first certificates.
FROM node AS tools
USER 0:0
RUN apt-get update \
    && apt-get install -y --no-install-recommends "mariadb-client=1:10.11.*" "openssl=3.0.*" \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
# It answers nobody.
HEALTHCHECK NONE
ENTRYPOINT ["node"]
