"""vsr as a library: the public names, one call for a film, frames for one's own loop."""

import gc
import os
import subprocess
import sys
import threading
import time
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import Paint, Video, film, flat, frames_of, settings
from runs import LIMIT, ROOT, environment

import vsr
from vsr.frame import Frame
from vsr.pipeline.upscale import DECODED_AHEAD, ENLARGED_AHEAD
from vsr.settings import Clip, EncoderSettings, EngineSettings, Size, UpscaleSettings


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("vsr")]


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return film(tmp_path / "movie.mkv", Video(frames=10))


# ---- names ----------------------------------------------------------------------------------


def test_every_public_name_is_there() -> None:
    assert "upscale" in vsr.__all__
    assert "UpscaledFilm" in vsr.__all__
    for name in vsr.__all__:
        assert getattr(vsr, name) is not None
        assert name in dir(vsr)
    with pytest.raises(AttributeError, match="module 'vsr' has no attribute 'nosuch'"):
        _ = vsr.nosuch


def test_importing_it_loads_nothing_else() -> None:
    program = (
        "import sys, vsr;"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "print(sorted(loaded & {'av', 'numpy', 'onnx', 'openvino', 'torch', 'tqdm', 'typer'}))"
    )
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, env=environment(), capture_output=True, check=True)
    assert ended.stdout == b"[]\n"


def test_type_checkers_are_told_that_it_has_types() -> None:
    assert (resources.files("vsr") / "py.typed").is_file()
    assert "py.typed" in (ROOT / "pyproject.toml").read_text()


# ---- errors ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("InputError", ValueError),
        ("UsageError", ValueError),
        ("MissingPackageError", ImportError),
        ("BackendError", RuntimeError),
        ("MediaError", OSError),
        ("VerificationError", RuntimeError),
        ("StoreError", OSError),
    ],
)
def test_every_error_is_one_of_ours_and_a_builtin(name: str, builtin: type[Exception]) -> None:
    import vsr.errors

    kind = getattr(vsr.errors, name)
    assert issubclass(kind, vsr.VsrError)
    assert issubclass(kind, builtin)
    assert kind.__doc__
    assert name in str(vsr.errors.__doc__)


def test_every_error_that_is_drawn_in_the_tree_exists_and_the_other_way_round() -> None:
    import vsr.errors

    drawn = {
        word
        for line in str(vsr.errors.__doc__).splitlines()
        for word in line.replace("─", " ").split()
        if word.endswith("Error") and ("├" in line or "└" in line or line.startswith("Vsr"))
    }
    defined = {n for n, kind in vars(vsr.errors).items() if isinstance(kind, type)}
    assert drawn - {"ValueError", "ImportError", "RuntimeError", "OSError"} == {
        name for name in defined if name.endswith("Error")
    }


def test_media_errors_carry_the_path() -> None:
    error = vsr.MediaError("a/b.mkv", "does not work")
    assert (error.path, str(error)) == ("a/b.mkv", "a/b.mkv: does not work")


def test_a_missing_package_names_what_to_install() -> None:
    from vsr.errors import MissingPackageError

    assert str(MissingPackageError("torch", "train")) == (
        "this needs torch: pip install 'vsr[train]'"
    )


# ---- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Clip(start=Fraction(-1)), "before the film begins"),
        (lambda: Clip(start=Fraction(2), end=Fraction(2)), "is not after the start"),
        (lambda: Clip(frames=0), "0 frames is nothing to do"),
        (lambda: Size(Fraction(2), width=10), "either a scale or a size"),
        (lambda: Size(Fraction(1, 2)), "scale 0.5 is not between 1 and 16"),
        (lambda: Size(Fraction(17)), "scale 17 is not between 1 and 16"),
        (lambda: Size(width=1), "width 1 is not between 2 and 16384"),
        (lambda: Size(height=20000), "height 20000 is not between 2 and 16384"),
        (lambda: EngineSettings(threads=-1), "-1 threads"),
        (lambda: EngineSettings(tile=31), "tile 31 is too small"),
    ],
)
def test_settings_that_make_no_sense_are_refused_when_they_are_made(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_settings_do_not_change() -> None:
    for made in (Clip(), Size(), EngineSettings(), EncoderSettings(), UpscaleSettings()):
        with pytest.raises(AttributeError):
            made.nosuch = 1  # type: ignore[union-attr]


# ---- one call -------------------------------------------------------------------------------


def test_one_call_enlarges_a_film(tmp_path: Path, movie: Path) -> None:
    seen: list[vsr.Progress] = []
    large = tmp_path / "large.mkv"
    report = vsr.upscale(movie, large, scale=2, settings=settings(), on_progress=seen.append)
    assert isinstance(report, vsr.UpscaleReport)
    assert (report.source, report.output) == (str(movie), str(large))
    assert (report.frames, report.width, report.height) == (10, 128, 96)
    assert report.verified
    assert report.psnr is not None
    assert report.psnr > 30
    assert (report.encoder, report.engine) == ("libx264", "OpenVINO CPU fp32")
    assert [progress.frames for progress in seen] == list(range(1, 11))
    assert {progress.total for progress in seen} == {10}
    assert seen[-1].film_seconds == pytest.approx(0.4)
    assert seen[-1].fps == pytest.approx(10 / seen[-1].seconds)
    assert len(frames_of(large)) == 10
    assert threads() == []


@pytest.mark.parametrize(
    ("scale", "size"), [(1.5, (96, 72)), (Fraction(4, 3), (86, 64)), (3, (192, 144))]
)
def test_the_scale_of_the_call_goes_before_the_settings(
    tmp_path: Path, movie: Path, scale: float, size: tuple[int, int]
) -> None:
    report = vsr.upscale(movie, tmp_path / "large.mkv", scale=scale, settings=settings())
    assert (report.width, report.height) == size


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), 0, -2, 100])
def test_a_scale_that_makes_no_sense_is_refused(tmp_path: Path, movie: Path, scale: float) -> None:
    with pytest.raises(vsr.InputError, match="scale"):
        vsr.upscale(movie, tmp_path / "large.mkv", scale=scale, settings=settings())


def test_repeated_frames_are_counted(tmp_path: Path) -> None:
    still = film(tmp_path / "still.mkv", Video(frames=10, codec="ffv1", paint=flat(100)))
    report = vsr.upscale(still, tmp_path / "large.mkv", settings=settings())
    assert (report.frames, report.repeated) == (10, 9)


def test_an_error_in_progress_ends_the_job_and_leaves_nothing(tmp_path: Path, movie: Path) -> None:
    def stop(progress: vsr.Progress) -> None:
        if progress.frames == 3:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        vsr.upscale(movie, tmp_path / "large.mkv", settings=settings(), on_progress=stop)
    assert list(tmp_path.iterdir()) == [movie]
    assert threads() == []


def test_of_a_long_film_few_frames_are_in_memory(tmp_path: Path) -> None:
    movie = film(tmp_path / "long.mkv", Video(frames=300))
    most = {"small": 0, "large": 0}
    others = living_frames()
    before = {id(frame) for frame in others}

    def count(progress: vsr.Progress) -> None:
        if progress.frames % 60 == 0:
            time.sleep(0.1)  # let the threads run as far ahead as they may
            frames = [frame for frame in living_frames() if id(frame) not in before]
            for name, height in (("small", 48), ("large", 96)):
                planes = {id(frame.y) for frame in frames if frame.y.shape[0] == height}
                most[name] = max(most[name], len(planes))

    job = settings(codec="ffv1")
    vsr.upscale(movie, tmp_path / "large.mkv", settings=job, on_progress=count)
    in_work = max(2, len(os.sched_getaffinity(0)))  # OpenVINO's depth
    assert 0 < most["small"] <= DECODED_AHEAD + 2 + in_work
    assert 0 < most["large"] <= ENLARGED_AHEAD + 2 + in_work


def living_frames() -> list[Frame]:
    return [item for item in gc.get_objects() if type(item) is Frame]


def test_a_film_can_be_closed_while_its_decoder_has_something_to_log(tmp_path: Path) -> None:
    """The decoder's threads log under the interpreter's lock, which freeing the decoder keeps."""

    def noise(number: int, width: int, height: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(number)
        planes = rng.integers(0, 255, (3, height, width), dtype=np.uint8)
        return planes[0], planes[1], planes[2]

    options = {"crf": "20", "x264-params": "slices=8"}
    video = Video(frames=12, size=(1280, 720), options=options, paint=noise)
    path = film(tmp_path / "noise.mkv", video)
    program = f"""
import gc, logging
import av.logging
from vsr.media.reader import Reader

logging.disable(logging.CRITICAL)
av.logging.set_level(av.logging.DEBUG)
for count in range(4):
    with Reader({str(path)!r}, threads=4) as reader:
        frames = reader.frames()
        for _ in range(count):
            next(frames)
        del frames
    del reader
    gc.collect()
"""
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True, timeout=LIMIT)


# ---- frames for one's own loop --------------------------------------------------------------


def test_a_film_gives_its_frames_enlarged(movie: Path) -> None:
    with vsr.UpscaledFilm(movie, scale=2, model="nearest") as large:
        assert (large.info.format.width, large.info.format.height) == (128, 96)
        frames = list(large)
    assert [frame.pts * large.info.time_base for frame in frames] == [
        Fraction(n, 25) for n in range(10)
    ]
    assert all(frame.y.shape == (96, 128) for frame in frames)
    assert threads() == []


def test_a_loop_may_be_left_early(movie: Path) -> None:
    with vsr.UpscaledFilm(movie, model="nearest") as large:
        for frame in large:
            assert frame.pts == 0
            break
    gc.collect()
    assert threads() == []


def test_a_film_can_be_gone_through_once(movie: Path) -> None:
    with vsr.UpscaledFilm(movie, model="nearest") as large:
        assert len(list(large)) == 10
        with pytest.raises(vsr.VsrError, match="can be gone through once; open it again"):
            list(large)


def test_a_factor_that_the_network_does_not_have_is_refused(movie: Path) -> None:
    with pytest.raises(vsr.InputError, match="fast-video enlarges by 8 here, not by 7"):
        vsr.UpscaledFilm(movie, scale=7)


@pytest.mark.parametrize(
    ("source", "kind"), [("gone.mkv", vsr.InputError), ("empty.mkv", vsr.InputError)]
)
def test_a_film_that_cannot_be_opened_is_refused_at_once(
    tmp_path: Path, source: str, kind: type[Exception]
) -> None:
    (tmp_path / "empty.mkv").touch()
    with pytest.raises(kind):
        vsr.UpscaledFilm(tmp_path / source)


RED = {
    # colour matrix and range of the tags -> codes of pure red. Sources: ITU-R BT.601, 709, 2020
    "bt601": ((6, 6, 6, 1), flat(81, 90, 240)),
    "bt709": ((1, 1, 1, 1), flat(63, 102, 240)),
    "bt2020": ((9, 14, 9, 1), flat(74, 97, 240)),
    "bt709 full": ((1, 1, 1, 2), flat(54, 99, 255)),
    "bt601 full": ((6, 6, 6, 2), flat(76, 85, 255)),
}


@pytest.mark.parametrize("name", RED)
def test_red_is_red_by_any_matrix_and_range(tmp_path: Path, name: str) -> None:
    tags: tuple[int, int, int, int]
    paint: Paint
    tags, paint = RED[name]
    video = Video(frames=1, codec="libx264", options={"qp": "0"}, tags=tags, paint=paint)
    path = film(tmp_path / "red.mkv", video)
    with vsr.UpscaledFilm(path, model="nearest") as large:
        [frame] = large
        picture = large.rgb(frame)
    assert picture.shape == (96, 128, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture.reshape(-1, 3).astype(int) - [255, 0, 0]).max() <= 3


def test_ten_bits_give_rgb_too(tmp_path: Path) -> None:
    video = Video(frames=1, codec="ffv1", pix_fmt="yuv420p10le", paint=flat(235))
    path = film(tmp_path / "white.mkv", video)
    with vsr.UpscaledFilm(path, model="nearest") as large:
        [frame] = large
        assert frame.y.dtype == np.uint16
        assert np.all(large.rgb(frame) >= 254)


def test_gray_gives_rgb_too(tmp_path: Path) -> None:
    video = Video(frames=1, codec="ffv1", pix_fmt="gray", paint=flat(100))
    with vsr.UpscaledFilm(film(tmp_path / "gray.mkv", video), model="nearest") as large:
        [frame] = large
        assert frame.uv is None
        assert np.all(np.abs(large.rgb(frame).astype(int) - 100) <= 1)
