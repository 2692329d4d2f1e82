"""Templates that deployers use: Dockerfile, compose file, Kubernetes manifest, container script."""
