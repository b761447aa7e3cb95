# syntax=docker/dockerfile:1
# The service alone: no embedded database, no compiler, no source tree. Settings come from the environment or from
# /etc/streamer/streamer.yaml; DATABASE_URL must be given.

ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY sql sql
COPY streamer streamer
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${PYTHON}
LABEL org.opencontainers.image.title="streamer" \
      org.opencontainers.image.description="Closed market candles from Binance, Bybit and OKX, stored once each in TimescaleDB or PostgreSQL" \
      org.opencontainers.image.licenses="MIT"

# The virtual environment has no pip of its own. Dependencies come as wheels or not at all: there is no compiler here.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m venv --without-pip /opt/streamer \
    && pip --python /opt/streamer/bin/python install --no-cache-dir --only-binary :all: /wheels/*.whl

# The number is part of the contract: volumes and Kubernetes' runAsUser refer to it.
RUN groupadd --gid 10001 streamer \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin streamer \
    && install --directory --owner 10001 --group 10001 --mode 0750 /data \
    && install --directory /etc/streamer

ENV PATH=/opt/streamer/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STREAMER_DATA_DIR=/data \
    STREAMER_HTTP__HOST=0.0.0.0

USER 10001:10001
WORKDIR /etc/streamer
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM

# /healthz says that the event loop turns, and nothing of the database or the exchanges: restarting mends neither.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('STREAMER_HTTP__PORT', '8000') + '/healthz', timeout=3)"]

ENTRYPOINT ["streamer"]
CMD ["run"]
