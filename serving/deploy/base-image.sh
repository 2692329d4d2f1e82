#!/bin/sh
# Makes the base image from the distribution's own packages, for machines without Docker (root; needs debootstrap, podman).
# usage: base-image.sh [IMAGE]
set -eu
image=${1:-docker.io/library/python:3.11-slim}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/root" >"$work/log" 2>&1 || {
    tail -20 "$work/log" >&2
    exit 1
}
for waste in var/cache/apt/archives var/lib/apt/lists usr/share/doc usr/share/man usr/share/locale var/log; do
    find "$work/root/$waste" -mindepth 1 -delete 2>/dev/null || true
done
tar -C "$work/root" -cf - . | podman import --quiet --change 'CMD ["python3"]' - "$image"
