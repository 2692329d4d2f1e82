"""The twin's cameras: packages of the catalogue's products drawn on shelves and counters, and hands that take them.

Start at `studio.Studio` for pictures, clips and photos to enrol a product from, at `params.CameraParams` for the knobs. What a
camera, a scale or an RFID antenna shows is observed; boxes, identities and who took what lie in `truth` and in no table.
"""
