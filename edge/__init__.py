"""The model in the shop itself: signed bundles of a release, updated atomically, run on ONNX Runtime without a network.

Nothing here imports a training library, a table engine or the orchestrator; an edge box installs the extra `edge`.
"""
