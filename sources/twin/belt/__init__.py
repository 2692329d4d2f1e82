"""The twin's packing belt: one picture and three sensor readings a package, some packages with a defect.

Start at `belt.Belt`, at `tables` for what a line would record, at `truth` for what no camera tells. The belt is a domain of its
own: its draws are keyed, it reads no other table, and none reads it.
"""
