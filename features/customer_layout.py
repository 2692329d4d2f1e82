"""Names that training, the online store and serving agree on for customers."""

STATE_VIEW = "customer_state"
ONLINE_VIEW = "customers_online"
RECENT_VIEW = "customers_recent"
PUSH_SOURCE = "customer_events"
ENTITY_KEY = "customer_id"
CATEGORIES_FILE = "categories.json"  # item -> category, by which a pushed event meets its category
# A customer id that no source has: its row says up to which moment the store was filled, and is written last.
NEWEST_MOMENT = "storeloop:newest-origin"
