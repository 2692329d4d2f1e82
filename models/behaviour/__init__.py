"""Shopper behaviour: where a visitor walks by Wi-Fi, and what that says."""
