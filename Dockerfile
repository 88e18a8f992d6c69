# The image is one static program, built outside by `make image`: building the
# image runs nothing, so it needs no toolchain, and no registry but BASE's.
#
# BASE must bring CA certificates, which SSM's endpoints are verified with.
# distroless does; scratch does not, and is for tests against a plain endpoint.
ARG BASE=gcr.io/distroless/static-debian12:nonroot
FROM ${BASE}

# BuildKit sets TARGETARCH by itself, the classic builder is told by make image.
ARG TARGETARCH
COPY bin/linux/${TARGETARCH}/envgraft /envgraft

# A number, for Kubernetes to see that it is not root (runAsNonRoot).
USER 65532:65532
ENTRYPOINT ["/envgraft"]
