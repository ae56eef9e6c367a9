# Two stages: build with the toolchain, run with nothing but the binary and the C library.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home /var/lib/sluicegate --create-home sluicegate
COPY --from=build /src/target/release/sluicegate /usr/local/bin/sluicegate
USER sluicegate
WORKDIR /var/lib/sluicegate
# `sluicegate init /var/lib/sluicegate/desk` writes a first configuration into the volume.
VOLUME /var/lib/sluicegate
EXPOSE 8321
ENV SLUICEGATE__SERVER__LISTEN=0.0.0.0:8321
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/sluicegate"]
CMD ["serve", "--config", "/var/lib/sluicegate/desk/sluicegate.toml"]
