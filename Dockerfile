# The portal on nginx, without its data: PostgreSQL, Redis and the mail server
# are elsewhere. docs/operating.md, "Container", says what to mount.

FROM debian:bookworm-slim AS build

ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make \
        nginx nginx-dev dpkg-dev libpq-dev libhiredis-dev libsodium-dev \
        liboath-dev libjansson-dev libcurl4-openssl-dev libunistring-dev libzxcvbn-dev \
        libqrencode-dev libzip-dev \
        libjpeg62-turbo-dev libpng-dev libwebp-dev libseccomp-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /portal
COPY . .
RUN make build \
    && install -D -m 0644 -t /image/usr/lib/nginx/modules \
        build/nginx/ngx_http_portal_module.so \
    && install -D -t /image/usr/local/bin build/portal-tool \
        build/portal-photo conf.d/image/portal-alive \
    && install -D -m 0644 conf.d/image/nginx.conf /image/etc/nginx/nginx.conf \
    && mkdir -p /image/usr/share/portal /image/etc/nginx/portal \
    && cp -r conf.d /image/etc/nginx/ \
    && rm -rf /image/etc/nginx/conf.d/image \
        /image/etc/nginx/conf.d/portal/example.conf \
    && cp -r src/templates src/lang src/static sql \
        conf.d/image/site.conf conf.d/image/check /image/usr/share/portal/


FROM debian:bookworm-slim

ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx libpq5 \
        libhiredis0.14 libsodium23 liboath0 libjansson4 libcurl4 libunistring2 \
        libzxcvbn0 libqrencode4 libzip4 libjpeg62-turbo libpng16-16 libwebp7 libseccomp2 \
        ca-certificates \
    && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/* \
        /etc/nginx/modules-enabled/* /var/log/nginx/*

COPY --from=build /image /

# docs/operating.md, "systemd", says what for
ENV GLIBC_TUNABLES=glibc.malloc.tcache_count=1000

USER www-data
RUN /usr/share/portal/check

EXPOSE 8080
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=5s CMD ["portal-alive"]
CMD ["nginx", "-e", "stderr", "-g", "daemon off;"]
