# syntax=docker/dockerfile:1
# Images of lpnet, for amd64 and arm64 (every wheel that the agent needs exists for both):
#
#   docker build --target agent -t lpnet-agent .
#   docker buildx build --platform linux/amd64,linux/arm64 --target agent -t lpnet-agent .
#
# docs/deploy.md says how to run them, and what of this could not be tried.
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY profiler_agent profiler_agent
COPY service service
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# The agent with ONNX Runtime; EXTRAS=agent,openvino or litert adds a runtime.
FROM python:${PYTHON} AS agent
ARG EXTRAS=agent
ENV PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    LPNET_AGENT_STATE_DIR=/var/lib/lpnet-agent
RUN useradd --system --uid 10001 --home-dir /var/lib/lpnet-agent lpnet \
    && install --directory --mode 0700 --owner lpnet /var/lib/lpnet-agent
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install -c /tmp/constraints.txt "$(echo /wheels/lpnet-*.whl)[${EXTRAS}]"
USER lpnet
VOLUME /var/lib/lpnet-agent
STOPSIGNAL SIGTERM
ENTRYPOINT ["lpnet-agent"]
CMD ["run"]
