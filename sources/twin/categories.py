"""The kinds of goods the retailer sells: names, prices, keeping, and how demand for them responds.

All names carry lower-case accented letters only: read as Latin-1, their UTF-8 bytes stay printable and repairable.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """One category. Responses are log effects: 0.1 is about +10 % demand."""

    name: str
    items: tuple[str, ...]
    price: float  # median list price
    shelf_life_days: tuple[int, int]
    weights_g: tuple[float, ...]
    elasticity: float  # times the mean elasticity
    warmth: float  # per 10 degrees above the season's normal
    rain: float  # per 10 mm, up to 30 mm
    yearly: float  # amplitude of the yearly swing
    peak_day: int  # day of year of the peak
    holiday: float  # rush before holidays
    school_break: float  # while schools are closed
    heat: float  # elasticity to social heat over its usual level
    weekend: float  # weekend swing times the format's


CATEGORIES = (
    Category("dairy", ("Crème fraîche", "Gruyère râpé", "Lait entier", "Skýr nature", "Kéfir doux", "Beurre salé"),
             2.4, (7, 18), (200, 250, 500, 1000), 0.8, -0.05, 0.01, 0.05, 20, 0.8, -0.02, 0.05, 0.8),
    Category("bakery", ("Brötchen", "Pão de queijo", "Brioche dorée", "Knäckebröd", "Pâtisserie", "Baguette"),
             1.9, (1, 4), (80, 250, 400, 500), 0.7, -0.03, -0.04, 0.04, 340, 1.0, -0.03, 0.05, 1.1),
    Category("produce", ("Purée de pomme", "Açaí", "Jalapeño", "Céleri", "Maçã", "Pêche"),
             2.8, (4, 9), (250, 500, 1000), 0.9, 0.10, -0.03, 0.12, 190, 0.5, -0.01, 0.08, 0.9),
    Category("beverages", ("Rosé", "Limonade frappée", "Guaraná", "Jus pressé", "Eau pétillante", "Maté"),
             2.2, (120, 365), (330, 500, 1000, 1500), 1.1, 0.30, -0.06, 0.18, 200, 1.2, 0.06, 0.12, 1.3),
    Category("ice_cream", ("Glace à la crème", "Sorbet açaí", "Semifreddo caffè", "Parfait pêche", "Glacé",
              "Gelée de citron"),
             4.1, (180, 400), (100, 450, 900), 1.2, 0.50, -0.08, 0.55, 198, 0.4, 0.10, 0.15, 1.4),
    Category("snacks", ("Chips jalapeño", "Müsli", "Crêpes dentelle", "Noix salées", "Bâtonnets", "Chocolat fourré"),
             2.6, (60, 200), (45, 90, 150, 300), 1.2, 0.0, 0.02, 0.06, 350, 1.1, 0.08, 0.20, 1.2),
    Category("household", ("Savon à la lavande", "Lessive légère", "Désinfectant", "Bougie parfumée",
              "Papier doublé", "Torchon côtelé"),
             4.8, (700, 1500), (300, 750, 1500), 0.8, 0.0, 0.0, 0.03, 90, 0.2, 0.0, 0.03, 0.9),
    Category("hot_drinks", ("Café moulu", "Thé à la menthe", "Chaï", "Cacao sucré", "Infusion d'été", "Café crème"),
             5.2, (300, 700), (100, 250, 500), 1.0, -0.30, 0.05, 0.30, 15, 0.7, -0.02, 0.10, 0.8),
)  # fmt: skip

BRANDS = (
    "Vallée",
    "Bökenhof",
    "Nørdlys",
    "Maïté",
    "São Mel",
    "Kräuterhaus",
    "Señorita",
    "Château Gris",
    "Fjällvik",
    "Loïc & fils",
)


@dataclass(frozen=True)
class Format:
    """A kind of store. Hours are of the day; `weekly` scales demand from Monday to Sunday and averages 1."""

    name: str
    level: float
    price: float
    opens_hour: int
    closes_hour: int
    area_m2: tuple[float, float]
    carries: float  # times the mean assortment share
    weekly: tuple[float, float, float, float, float, float, float]


FORMATS = (
    Format("super", 1.6, 1.00, 8, 21, (800, 2500), 1.08, (0.86, 0.84, 0.88, 0.95, 1.17, 1.42, 0.88)),
    Format("express", 0.9, 1.05, 6, 23, (90, 300), 0.98, (1.03, 1.01, 1.02, 1.04, 1.10, 0.97, 0.83)),
    Format("unmanned", 0.6, 1.04, 0, 24, (25, 80), 0.85, (0.92, 0.90, 0.91, 0.95, 1.08, 1.16, 1.08)),
    Format("online", 1.1, 0.98, 0, 24, (1500, 6000), 1.05, (1.12, 1.02, 0.96, 0.93, 0.88, 0.92, 1.17)),
)
