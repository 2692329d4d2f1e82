"""The twin's customers and their online shop: who they are, whom they follow, what they are shown, click and buy.

Start at `shop.OnlineShop` for a shop of its own, at `protocol.RecommendationPolicy` for a policy to try in it, at
`campaign.run_campaign` for offers that friends pass on, at `truth.OnlineTruth` for what no table tells.
"""
