# Everything that `segshrink compress` needs, on processors.
#
#     docker build --file docker/cpu.Dockerfile --tag segshrink .
#     docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" segshrink \
#         compress photos --out runs/first
FROM python:3.12.12-slim-bookworm@sha256:593bd06efe90efa80dc4eee3948be7c0fde4134606dd40d8dd8dbcade98e669c

# The lock holds every package with its hash; segshrink itself is built from the source.
WORKDIR /opt/segshrink
COPY requirements-main.lock ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements-main.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --uid 1000 segshrink

USER 1000
# Any user that `docker run --user` names has a place for caches.
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["segshrink"]
CMD ["--help"]
