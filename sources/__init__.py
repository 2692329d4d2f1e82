"""Where tables come from: the digital twin, folders of files, adapters of public data sets, each a `Source`."""
