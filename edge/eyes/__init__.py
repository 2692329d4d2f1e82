"""Cameras on an edge box: frames in, named and tracked items, events out that no cut of the network loses.

The networks are ONNX files behind small protocols; nothing here trains, and nothing is imported before it is used.
"""
