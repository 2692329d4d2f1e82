"""Product recognition: a class-agnostic YOLO finds items, an embedding with a gallery names them; sensors fused into events."""
