"""The only room that sees all the others: Dagster assets, the model registry, automation and the `storeloop` command."""
