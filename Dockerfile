# One static binary on an empty base. Built by `docker build .` (with or without BuildKit) and by `podman build --format docker .`;
# BUILD_IMAGE may name any Debian or Ubuntu, a mirror's for example.
ARG BUILD_IMAGE=docker.io/library/debian:bookworm-slim
FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY scripts/toolchain.sh scripts/
RUN scripts/toolchain.sh --static

# The dependencies are a layer of their own: a change of our sources does not build them again.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY core/Cargo.toml core/
COPY migration/Cargo.toml migration/
COPY scripts/static.sh scripts/
RUN scripts/static.sh --dependencies

# Cargo goes by the time of a file: ours must be newer than the sources that stood in for them.
COPY core core
COPY migration migration
COPY src src
RUN find core migration src -name '*.rs' -exec touch {} + && scripts/static.sh /image/usr/bin/iotpipe

# Time zones are in the binary; certificates come along.
COPY LICENSE /image/usr/share/doc/iotpipe/copyright
RUN install -D /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
 && mkdir -p /image/etc/iotpipe && mkdir -p -m 1777 /image/tmp \
 && mkdir -p /state/data /state/processed /state/quarantine /state/logs

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="iotpipe" \
      org.opencontainers.image.description="Loads CSV files of sensor readings into a time-series schema: every line in exactly one place, exactly once" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /state /var/lib/iotpipe
# Relative paths of the default configuration lie here; a mount takes the place of each folder.
WORKDIR /var/lib/iotpipe
USER 65532:65532
# The program asks itself: there is no shell here.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/iotpipe", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/iotpipe"]
CMD ["loop"]
