# syntax=docker/dockerfile:1
# Trains with Anneal. It installs the packages that `node tools/release.mjs` made in build/release.
#
#   docker build -t my-training .
#   docker build -t my-training --build-arg BASE=nvidia/cuda:13.0.0-base-ubuntu24.04 --build-arg TORCH=cuda .
#   mkdir -p runs
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/photos:/data/photos:ro" -v "$PWD/runs:/data/runs" my-training train photos
#
# --user: the run's files are yours, and the folder runs can be written to. Every user may write to the cache in the image.
#
# BASE must have glibc 2.28 or later: not Alpine. TORCH=cpu takes the parts of libtorch that the CPU needs; TORCH=cuda installs
# the whole package torch with pip (about 4 GB), and needs the NVIDIA Container Toolkit to run: docker run --gpus all.
ARG BASE=debian:12-slim
ARG NODE=22

FROM node:${NODE}-slim AS node

FROM ${BASE}
ARG TORCH=cpu
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libstdc++6 python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
 && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
 && useradd --create-home --uid 10001 anneal \
 && mkdir -p /app /data \
 && chown anneal:anneal /app /data
ENV ANNEAL_CACHE=/app/cache

USER anneal
WORKDIR /app
# The version of libtorch is that of the compiled addon: see `npx anneal doctor`.
RUN if [ "$TORCH" = cuda ]; then python3 -m venv /app/venv && /app/venv/bin/pip install --no-cache-dir torch==2.15.0; fi
ENV PATH=/app/venv/bin:$PATH
COPY --chown=anneal:anneal build/release/anneal-*.tgz /tmp/packages/
# Packages of other processors are left out: npm refuses to install them by name.
RUN npm init -y > /dev/null \
 && case "$(uname -m)" in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; esac \
 && npm install --no-audit --no-fund /tmp/packages/anneal-[0-9]*.tgz "/tmp/packages/anneal-linux-$arch-"*.tgz \
 && npx anneal setup \
 && chmod -R a+rwX "$ANNEAL_CACHE" \
 && npm cache clean --force
WORKDIR /data
ENTRYPOINT ["node", "/app/node_modules/anneal/bin/anneal.mjs"]
CMD ["doctor"]
