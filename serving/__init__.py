"""The serving room: one BentoML service a bot, each with a verified champion, a fallback, a breaker and metrics.

`loader` and `release` bring a champion in, `answering` decides who answers (champion or fallback) under a deadline,
`front_door` bounds what may reach a service at all, `packaging` turns a release folder into a bento and a container.
"""
