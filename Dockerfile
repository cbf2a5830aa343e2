# syntax=docker/dockerfile:1
# Images of lpnet, for amd64 and arm64 (every wheel that they need exists for both):
#
#   docker build --target service -t lpnet-service .
#   docker build --target agent -t lpnet-agent .
#   docker buildx build --platform linux/amd64,linux/arm64 --target agent -t lpnet-agent .
#
# docs/operate/team.md and docs/operate/deploy.md say how to run them.
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY profiler_agent profiler_agent
COPY service service
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . ./service

# The agent with ONNX Runtime; EXTRAS=agent,openvino or litert adds a runtime.
FROM python:${PYTHON} AS agent
ARG EXTRAS=agent
ENV PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    LPNET_AGENT_STATE_DIR=/var/lib/lpnet-agent
RUN groupadd --system --gid 10001 lpnet \
    && useradd --system --uid 10001 --gid lpnet --home-dir /var/lib/lpnet-agent lpnet \
    && install --directory --mode 0700 --owner lpnet --group lpnet /var/lib/lpnet-agent
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install -c /tmp/constraints.txt "$(echo /wheels/lpnet-*.whl)[${EXTRAS}]"
USER 10001:10001
VOLUME /var/lib/lpnet-agent
STOPSIGNAL SIGTERM
ENTRYPOINT ["lpnet-agent"]
CMD ["run"]

# API, worker, migrations and tokens. Give TORCH_INDEX an index of PyTorch's wheels without CUDA, which spare
# gigabytes; an empty one takes those of pip's own index. EXTRAS=cloud,telemetry adds those extras. On SQLite
# mount a volume at /var/lib/lpnet; none is declared, since on Postgres nothing is written there.
FROM python:${PYTHON} AS service
ARG EXTRAS=
ARG TORCH_INDEX=
ENV PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    LPNET_DATABASE_URL=sqlite:////var/lib/lpnet/lpnet.db
RUN groupadd --system --gid 10001 lpnet \
    && useradd --system --uid 10001 --gid lpnet --home-dir /var/lib/lpnet lpnet \
    && install --directory --mode 0700 --owner lpnet --group lpnet /var/lib/lpnet
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install -c /tmp/constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
    /wheels/lpnet-*.whl "$(echo /wheels/lpnet_service-*.whl)${EXTRAS:+[$EXTRAS]}"
USER 10001:10001
WORKDIR /var/lib/lpnet
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["lpnet-service"]
CMD ["run", "--host", "0.0.0.0"]
