# As cpu.Dockerfile, with JAX for NVIDIA GPUs, which trains there. The packages hold CUDA;
# the host needs its driver and the NVIDIA Container Toolkit.
#
#     docker build --file docker/cuda.Dockerfile --tag segshrink-cuda .
#     docker run --rm --gpus all --user "$(id -u):$(id -g)" --volume "$PWD:/work" \
#         segshrink-cuda compress photos --out runs/first
FROM python:3.12.12-slim-bookworm@sha256:593bd06efe90efa80dc4eee3948be7c0fde4134606dd40d8dd8dbcade98e669c

WORKDIR /opt/segshrink
COPY requirements-main.lock requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements-main.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# The locks hold no package of CUDA; JAX has the version of the lock of everything.
RUN sed -n 's/^\(jax\(lib\)\?==.*\) \\$/\1/p' requirements.lock > jax.txt \
    && pip install --no-cache-dir --no-build-isolation -c jax.txt ".[jax-cuda]" \
    && useradd --uid 1000 segshrink

USER 1000
ENV HOME=/tmp \
    KERAS_BACKEND=jax \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /work
ENTRYPOINT ["segshrink"]
CMD ["--help"]
