# The live page of a shop, with its till and the door of boxes: the extra `serve` at the versions of the lock, no training stack, not root.
#   docker build -f serving/deploy/streams/shop.Dockerfile -t storeloop-shop:latest .
FROM docker.io/library/python:3.11-slim
RUN pip install --no-cache-dir --disable-pip-version-check uv
WORKDIR /src
COPY pyproject.toml README.md LICENSE requirements.lock ./
COPY orchestration orchestration
COPY features features
COPY models models
COPY serving serving
COPY data_checks data_checks
COPY edge edge
COPY sources sources
RUN uv pip install --system --no-cache --constraint requirements.lock '.[serve]' \
    && useradd --uid 1034 --create-home storeloop
USER 1034
WORKDIR /home/storeloop
ENV STORELOOP_HOME=/home/storeloop
EXPOSE 3300
ENTRYPOINT ["storeloop", "shop", "--host", "0.0.0.0", "--anywhere"]
