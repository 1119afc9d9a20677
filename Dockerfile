# The operator's image, for those who have a container engine. `make demo` builds the same image without one.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api api
COPY cmd cmd
COPY controllers controllers
COPY internal internal
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/ ./cmd/manager ./cmd/provisioner

FROM gcr.io/distroless/static:nonroot
LABEL org.opencontainers.image.title="dpi-operator" \
      org.opencontainers.image.source="https://github.com/dpi-operator/dpi-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/manager /out/provisioner /
USER 10001:10001
ENTRYPOINT ["/manager"]
