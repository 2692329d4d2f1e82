"""Row of what 8 bits cost: boxes of the finder and names by the embedder, of the base checkpoint, beside themselves in fp32."""

from bench_row import BenchContext, BenchResult, BenchRow

MOST_LOST = 0.01
WORLD, PRODUCTS, PHOTOS = 7_206, 200, 5  # of the packages that are named; others calibrate
CALIBRATION_WORLD, CALIBRATING = 7_207, 12
SCENES, FIRST_UNSEEN = 12, 1_000


def _lost(context: BenchContext) -> BenchResult:
    del context
    import numpy as np
    from finder_rows import judged_pictures
    from recognition import finder_of, precision

    from models.common.sessions import open_session
    from models.detector.networks import Gallery, NamerConfig
    from orchestration.base_networks import base_graphs, in_8_bits, vectors
    from orchestration.package_crops import PHOTO, CropsConfig, draw_crops
    from sources.twin.cameras.params import CameraParams
    from sources.twin.cameras.studio import Studio

    side = NamerConfig().side
    other = Studio(CameraParams(products=PRODUCTS), CALIBRATION_WORLD)
    scenes = [picture.pixels for k in range(CALIBRATING) for picture in other.shelf_scene(k).seen.pictures]
    few = CropsConfig(side=side, products=PRODUCTS, shelves=2, counters=0, photos=0)
    fp32 = base_graphs()
    graphs = {"fp32": fp32, "int8": in_8_bits(*fp32, scenes, draw_crops(other, few, np.random.default_rng(0)).pixels)}
    studio = Studio(CameraParams(products=PRODUCTS), WORLD)
    drawn = few.model_copy(update={"shelves": SCENES, "photographed": 1, "photos": PHOTOS, "first_scene": FIRST_UNSEEN})
    crops = draw_crops(studio, drawn, np.random.default_rng(1))
    photo = crops.kind == PHOTO
    pictures = [(pixels, boxes) for _, pixels, boxes in judged_pictures()]
    area, named = {}, {}
    for bits, (finder, embedder) in graphs.items():
        asked = finder_of(finder, least_score=0.001)
        area[bits] = precision([asked.detect(pixels) for pixels, _ in pictures], [boxes for _, boxes in pictures])[1]
        made = vectors(open_session(embedder), crops.pixels)
        gallery = Gallery(made[photo], [f"{product:04d}" for product in crops.product[photo]])
        best = gallery.similarities(made[~photo]).argmax(axis=1)
        named[bits] = float(np.mean([int(gallery.products[k]) for k in best] == crops.product[~photo]))
    return lost_verdict(area, named, len(pictures), int((~photo).sum()))


def lost_verdict(area: dict[str, float], named: dict[str, float], pictures: int, crops: int) -> BenchResult:
    """mAP50-95 and share named rightly of both; the bound is on boxes, names are told beside them."""
    lost = area["fp32"] - area["int8"]
    note = (
        f"lost {100 * lost:.2f} points of {pictures} pictures of unseen worlds; named by {PHOTOS} photos among {PRODUCTS} products "
        f"{named['fp32']:.1%} in fp32, {named['int8']:.1%} in 8 bits, of {crops} crops by true boxes"
    )
    bound = f"<= {100 * MOST_LOST:g} point lost"
    return BenchResult(area["int8"], "mAP50-95", "fp32", area["fp32"], bound, lost <= MOST_LOST, note)


ROWS = [
    BenchRow(
        "eyes-int8-accuracy",
        "eyes",
        "What 8 bits cost the trained networks",
        _lost,
        rooms=("edge", "models", "sources", "orchestration"),
    )
]
