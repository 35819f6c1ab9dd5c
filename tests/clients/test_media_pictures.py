"""What becomes of a picture before it is kept: small, without anybody's traces, and of a kind that every mail program shows."""

import hashlib
import pickle
import struct
import subprocess
import sys
import zlib
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms
from PIL.PngImagePlugin import PngInfo

from service.clients.media_pictures import COLUMN, LARGEST, WIDEST, prepare
from service.errors import Invalid
from service.settings import ROOT
from tests.clients.pictures import drawing, film, from_a_camera, opened, photograph, saved


def refused(content: bytes, called: str = "x.png") -> str:
    with pytest.raises(Invalid) as told:
        prepare(content, called=called)
    assert called in str(told.value)
    return str(told.value)


def apart(one: Image.Image, other: Image.Image) -> float:
    """How far two pictures are apart, 0 to 255."""
    difference = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).convert("L")
    levels = difference.histogram()
    return sum(level * count for level, count in enumerate(levels)) / (one.width * one.height)


def test_a_photograph_becomes_a_small_jpeg_without_place_owner_or_comment() -> None:
    content = from_a_camera(photograph())
    assert b"canary-of-an-owner" in content
    assert opened(content).getexif().get_ifd(0x8825)
    kept = prepare(content, called="harbour.jpg")
    picture = opened(kept.content)
    assert (kept.mimetype, picture.format, picture.mode) == ("image/jpeg", "JPEG", "RGB")
    assert len(kept.content) <= LARGEST
    assert picture.width <= WIDEST
    assert (kept.width, kept.height) == (COLUMN, round(1600 * COLUMN / 2400))
    assert b"canary" not in kept.content
    assert b"Exif" not in kept.content
    assert not picture.getexif()
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_whatever_way_the_camera_was_held(orientation: int) -> None:
    scene = Image.new("RGB", (800, 400), "#2040c0")
    scene.paste("#f0d020", (0, 0, 200, 200))
    laid = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    kept = prepare(
        from_a_camera(scene.transpose(laid) if laid is not None else scene, orientation=orientation), called="x.jpg"
    )
    assert (kept.width, kept.height) == (536, 268)
    assert opened(kept.content).size == (800, 400)
    assert apart(opened(kept.content), scene) < 3


@pytest.mark.parametrize(
    ("mode", "kind", "words"),
    [
        ("RGB", "PNG", {}), ("P", "PNG", {}), ("L", "PNG", {}), ("1", "PNG", {}), ("RGB", "BMP", {}),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}), ("RGB", "WEBP", {"lossless": True}), ("P", "GIF", {}),
    ],
)  # fmt: skip
def test_a_drawing_stays_a_png_exactly_as_it_was_drawn(mode: str, kind: str, words: dict[str, Any]) -> None:
    original = drawing(900, 500, mode)
    kept = prepare(saved(original, kind, **words), called=f"plan.{kind.lower()}")
    assert kept.mimetype == "image/png"
    assert apart(opened(kept.content), original) == 0
    assert (kept.width, kept.height) == (536, 298)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "AVIF", "JPEG"])
def test_a_photograph_of_any_kind_becomes_a_jpeg(kind: str) -> None:
    original = photograph(600, 400)
    kept = prepare(saved(original, kind), called="x")
    assert kept.mimetype == "image/jpeg"
    assert apart(opened(kept.content), original) < 8


def test_what_is_small_enough_is_not_made_smaller() -> None:
    kept = prepare(saved(photograph(300, 700), "JPEG"), called="portrait.jpg")
    assert (kept.width, kept.height) == opened(kept.content).size == (300, 700)


def test_what_does_not_fit_by_quality_is_made_smaller_but_shown_as_wide() -> None:
    noise = Image.effect_noise((2000, 6000), 120).convert("RGB")
    kept = prepare(saved(noise, "JPEG", quality=70), called="noise.jpg")
    assert len(kept.content) <= LARGEST
    assert opened(kept.content).width < WIDEST
    assert (kept.width, kept.height) == (536, 1608)


def test_what_shines_through_is_kept_and_what_only_could_is_not() -> None:
    picture = drawing(500, 300, "RGBA")
    picture.putpixel((5, 5), (0, 0, 0, 0))
    kept = opened(prepare(saved(picture, "PNG"), called="logo.png").content).convert("RGBA")
    assert kept.getpixel((5, 5))[3] == 0  # type: ignore[index]
    assert kept.getpixel((400, 10)) == (255, 255, 255, 255)
    assert prepare(saved(photograph(500, 300, "RGBA"), "PNG"), called="x.png").mimetype == "image/jpeg"


def test_a_photograph_that_shines_through_stays_a_png_and_still_fits() -> None:
    picture = photograph(2000, 1500, "RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    kept = prepare(saved(picture, "PNG", compress_level=1), called="fading.png")
    assert kept.mimetype == "image/png"
    assert len(kept.content) <= LARGEST
    low, high = opened(kept.content).convert("RGBA").getchannel("A").getextrema()
    assert low < 20 < 235 < high  # type: ignore[operator]
    assert kept.width == 536


def test_a_palette_with_a_hole_keeps_it() -> None:
    picture = drawing(300, 200, "P")
    hole = picture.getpixel((0, 0))
    kept = opened(prepare(saved(picture, "PNG", transparency=hole), called="x.png").content).convert("RGBA")
    assert kept.getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_inks_become_light() -> None:
    red = Image.new("CMYK", (400, 300), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        found = opened(prepare(saved(red, kind), called="print.x").content).convert("RGB").getpixel((200, 150))
        assert found[0] > 200 > 80 > found[1], (kind, found)  # type: ignore[index]


def test_greys_of_sixteen_bits_keep_their_shades() -> None:
    ramp = Image.frombytes("I;16", (256, 100), b"".join(struct.pack("<H", x * 257) for x in range(256)) * 100)
    for kind in ("PNG", "TIFF"):
        kept = opened(prepare(saved(ramp, kind), called="scan.x").content).convert("L")
        assert [kept.getpixel((x, 50)) for x in (0, 64, 128, 255)] == pytest.approx([0, 64, 128, 255], abs=2), kind


def test_sixteen_bits_of_colour_are_read() -> None:
    row = b"\x00" + struct.pack(">3H", 65535, 0, 32896) * 40
    kept = opened(prepare(_png_of(40, 20, 16, 2, row * 20), called="x.png").content).convert("RGB")
    assert kept.getpixel((20, 10)) == pytest.approx((255, 0, 128), abs=2)


def test_a_profile_is_applied_and_then_left_out() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert b"ICC" not in prepare(saved(photograph(300, 200), "JPEG", icc_profile=lab), called="x.jpg").content
    swapped = _profile_with_red_and_green_swapped()
    content = saved(Image.new("RGB", (60, 60), (255, 0, 0)), "PNG", icc_profile=swapped)
    kept = opened(prepare(content, called="x.png").content)
    assert "icc_profile" not in kept.info
    red, green, _blue = kept.convert("RGB").getpixel((30, 30))  # type: ignore[misc]
    assert green > 150 > 90 > red


def test_the_texts_of_a_png_are_left_out() -> None:
    info = _texts()
    for picture in (drawing(300, 200), photograph(300, 200)):
        assert b"canary" not in prepare(saved(picture, "PNG", pnginfo=info), called="x.png").content


def test_a_small_film_keeps_its_frames_speed_and_rounds_and_loses_its_comment() -> None:
    kept = prepare(film(), called="film.gif")
    picture = opened(kept.content)
    assert (kept.mimetype, kept.width, kept.height) == ("image/gif", 300, 200)
    assert (picture.n_frames, picture.info["loop"]) == (4, 3)  # type: ignore[attr-defined]
    durations = []
    for at in range(4):
        picture.seek(at)
        durations.append(picture.info["duration"])
        assert picture.convert("RGB").getpixel((9, 9)) == pytest.approx((60 * at, 20, 90), abs=3)
    assert durations == [80, 120, 200, 90]
    assert b"canary" not in kept.content


def test_a_wide_film_is_made_narrower() -> None:
    kept = prepare(film(size=(1600, 400)), called="film.gif")
    assert opened(kept.content).size == (WIDEST, 268)
    assert (kept.width, kept.height) == (536, 134)


def test_a_film_too_large_for_a_mail_is_refused_with_what_to_do() -> None:
    said = refused(film(4, (400, 300), noisy=True), "film.gif")
    assert "it may have 200" in said
    assert "save the frame that matters as PNG" in said


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF"])
def test_a_film_that_no_mail_program_plays_is_refused(kind: str) -> None:
    frames = [drawing(200, 100), photograph(200, 100)]
    assert "no mail program plays" in refused(saved(frames[0], kind, save_all=True, append_images=frames[1:]), "film.x")


def test_several_pages_are_refused() -> None:
    frames = [drawing(200, 100), drawing(220, 100)]
    assert "has several pages" in refused(saved(frames[0], "TIFF", save_all=True, append_images=frames[1:]), "scan.tif")


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made by x -->\n<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'>\n<svg/>",
        b"<svg:svg xmlns:svg='http://www.w3.org/2000/svg'/>",
    ],
)
def test_a_vector_drawing_is_refused_by_its_name_whatever_the_file_is_called(content: bytes) -> None:
    assert "is an SVG drawing" in refused(content, "logo.png")
    assert "is an SVG drawing" in refused(b"\x1f\x8b\x08\x00", "logo.svgz")


def test_a_heic_photograph_is_refused_by_its_name() -> None:
    assert "Export it as JPEG" in refused(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "IMG_1.HEIC")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = _png_of(30_000, 30_000, 8, 2, b"\x00" * 100)
    assert "more than 60 million pixels" in refused(bomb)
    small_in_the_file = saved(Image.new("1", (9000, 9000)), "PNG")
    assert len(small_in_the_file) < 100_000
    assert "more than 60 million pixels" in refused(small_in_the_file)


@pytest.mark.parametrize("content", [b"", b"hello", b"%PDF-1.7", b"<html></html>", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    refused(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF"])
def test_half_a_picture_is_refused(kind: str) -> None:
    content = saved(photograph(400, 300), kind)
    refused(content[: len(content) // 2])


def test_a_file_larger_than_any_camera_makes_is_refused() -> None:
    assert "25,600" in refused(b"\x89PNG\r\n\x1a\n" + bytes(26 * 1024 * 1024))


def test_the_same_picture_has_the_same_bytes_in_another_process() -> None:
    contents = [from_a_camera(photograph(900, 600)), saved(drawing(), "PNG"), film()]
    here = [hashlib.sha256(prepare(one, called="x").content).hexdigest() for one in contents]
    code = (
        "import sys, hashlib, pickle\nfrom service.clients.media_pictures import prepare\n"
        "print([hashlib.sha256(prepare(one, called='x').content).hexdigest() for one in pickle.load(sys.stdin.buffer)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(contents), capture_output=True, check=True, cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "77", "TZ": "Asia/Shanghai", "LC_ALL": "C"},
    )  # fmt: skip
    assert done.stdout.decode().strip() == str(here)


def _texts() -> PngInfo:
    info = PngInfo()
    info.add_text("Author", "canary-of-an-author")
    info.add_itxt("XML:com.adobe.xmp", "<x>canary</x>")
    return info


def _png_of(width: int, height: int, bits: int, kind: int, rows: bytes) -> bytes:
    """A PNG written by hand: its header may promise what the file does not hold."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">2I5B", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _profile_with_red_and_green_swapped() -> bytes:
    """sRGB with the tags of two of its colours exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12):
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile)
