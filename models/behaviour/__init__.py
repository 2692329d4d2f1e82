"""Shopper behaviour: where a visitor walks by Wi-Fi, what they look at, and how long they stay."""
