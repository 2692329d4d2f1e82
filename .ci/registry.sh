# Sourced: what pip on this machine is told about its registry (environment or pip.conf) holds for uv too, which reads neither.
pip_setting() {
    { .venv/bin/python -m pip config get "$1" || python3 -m pip config get "$1"; } 2>/dev/null || true
}
index="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(pip_setting global.index-url)}}}"
certificates="${SSL_CERT_FILE:-${PIP_CERT:-$(pip_setting global.cert)}}"
if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
if [ -n "${PIP_EXTRA_INDEX_URL:-}" ] && [ -z "${UV_INDEX:-}" ]; then export UV_INDEX="$PIP_EXTRA_INDEX_URL"; fi
if [ -n "$certificates" ]; then export SSL_CERT_FILE="$certificates"; fi
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-${PIP_DEFAULT_TIMEOUT:-120}}"
