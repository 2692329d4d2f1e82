"""The twin's delivery slots: a number of places in a window of an area and day, booked over the days before for a fee.

Start at `shop.SlotShop`, at `tables.slot_bookings` for what is observed, at `truth` for what no table tells. The world
carries a slot shop where `slots.areas` is above 0; its tables are no part of the lake.
"""
