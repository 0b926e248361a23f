# One image for web server, workers and scheduler; the command says which (see docker-compose.yml and docs/deployment.md):
#     docker build -t active-learning .
# It runs on the CPU; with `--build-arg GPU=1` it asks NVIDIA's container runtime for the machine's GPUs.
FROM python:3.11-slim-bookworm

# Where torch's wheels come from beside the usual index. Empty: the usual builds, which run on CPU and GPU alike and carry CUDA's libraries
# (5 GB). With the address of an index of CPU-only builds of torch, the image is that much smaller.
ARG TORCH_INDEX=""

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

WORKDIR /app
COPY requirements.txt .
# label-studio-ml comes without its dependencies: its pins have known vulnerabilities (see requirements.txt).
RUN pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt \
    && pip install --no-deps label-studio-ml==1.0.9

# Models, rounds and caches are in /data; a volume that is mounted there gets this owner.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin backend \
    && install --directory --owner=backend --group=backend /data
COPY model model
COPY backend backend
# Readable for that user also where the checkout is not.
RUN chmod -R a+rX .

# Empty: the container sees no GPU, even where NVIDIA's runtime is the default.
ARG GPU=""
RUN case "$GPU" in ""|1) ;; *) echo "GPU: found '$GPU', expected 1, or nothing for none" >&2; exit 1 ;; esac
ENV NVIDIA_VISIBLE_DEVICES=${GPU:+all} NVIDIA_DRIVER_CAPABILITIES=${GPU:+compute,utility}
ENV HOST=0.0.0.0 PORT=9090 MODEL_DIR=/data XDG_CACHE_HOME=/data/cache

USER 10001
VOLUME /data
EXPOSE 9090
# Workers and the scheduler have checks of their own (docker-compose.yml).
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "backend.run.health", "web"]
ENTRYPOINT ["python", "-m", "backend"]
CMD ["web"]
