"""What the `storeloop` command does: one module a group of commands, each imported only when it is called."""
